// Shows which of two sources serves, where a flags file may take over from an upstream, and switches to the other one.

import { button, el, fill, make, plural, toast } from "./dom.js";
import { get, post } from "./server.js";

/** Of the flags that differ, this many names are shown. */
const MAX_NAMES = 20;

let standing;
let chosen = () => {};

/** @param {{ chosen: () => Promise<void> }} after is called once the other source serves */
export function start(after) {
  chosen = after.chosen;
  el("takeover-ask").addEventListener("click", () => void ask());
}

/** @param {object} overview has `takeover` where there are two sources */
export function show(overview) {
  const { takeover, environment, reader } = overview;
  const section = el("takeover");
  section.hidden = !takeover;
  if (!takeover) return;
  const key = JSON.stringify([environment, takeover]);
  // The answers shown so far are about the other source.
  if (key !== standing) clear();
  standing = key;
  const relayed = takeover.serves === "upstream";
  fill(el("takeover-serves"), [takeover], () => {
    const [upstream, file] = [make("code", "", takeover.upstream), make("code", "", takeover.file)];
    return relayed ? ["Flags are relayed from ", upstream, ". The file ", file, " can take over."] : ["The file ", file, " serves. It took over from ", upstream, "."];
  });
  const words = relayed ? "Let the file take over …" : "Go back to the upstream …";
  if (el("takeover-ask").textContent !== words) el("takeover-ask").textContent = words;
  el("takeover-ask").disabled = Boolean(reader);
}

const clear = () => answer();

/** Shows the answer to a question, with buttons below. It stays until the next answer replaces it. */
function answer(content = [], buttons = []) {
  const foot = buttons.length > 0 && make("div", "takeover-buttons", buttons, button("quiet", "Cancel", cancel));
  el("takeover-answer").replaceChildren(...content, ...(foot ? [foot] : []));
  el("takeover-ask").hidden = foot !== false;
}

function cancel() {
  clear();
  el("takeover-ask").focus();
}

/** Asks the server what would change, and then asks the user to confirm it. */
async function ask() {
  const asked = standing;
  if (JSON.parse(asked)[1].serves === "file") {
    answer(
      [make("p", "", "What the upstream serves is in force again at once, for everybody. Changes that were made in the file since it took over count no more; the file keeps them.")],
      [button("primary", "Go back", () => void choose({ source: "upstream" }))],
    );
    focus();
    return;
  }
  answer([make("p", "", "Comparing the file with what is served …")]);
  el("takeover-ask").disabled = true;
  try {
    const described = await compareOnServer(asked);
    if (asked === standing) offer(described);
  } catch (error) {
    answer([make("p", "mistake", error.message)]);
  } finally {
    el("takeover-ask").disabled = false;
  }
  focus();
}

/** Asks again while the server compares, which takes a while where there are many flags. */
async function compareOnServer(asked) {
  for (;;) {
    try {
      return await get("/admin/source");
    } catch (error) {
      if (error.status !== 503 || asked !== standing) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

const focus = () => el("takeover-answer").querySelector("button")?.focus();

function offer({ mistakes, comparison }) {
  if (mistakes) {
    answer([make("p", "mistake", "The file cannot take over as it is:"), make("pre", "takeover-lines", mistakes.join("\n"))]);
    return;
  }
  if (!comparison) return;
  const warnings = comparison.warnings.length > 0 && make("pre", "takeover-lines", comparison.warnings.join("\n"));
  const sentence = make("p", "", make("strong", "", `${comparison.sentence}.`));
  if (!comparison.confirm) {
    answer(
      [
        sentence,
        make("p", "", "Nobody is served anything else when the file takes over. Open pages stay connected. From then on flags are changed here or in the file, and nothing is asked of the upstream."),
        ...(warnings ? [warnings] : []),
      ],
      [button("primary", "Take over", () => void choose({ source: "file" }))],
    );
    return;
  }
  const names = comparison.differing.slice(0, MAX_NAMES).flatMap((flag, at) => [at > 0 && ", ", make("code", "", flag)]);
  const more = comparison.differingTotal - Math.min(comparison.differing.length, MAX_NAMES);
  answer(
    [
      sentence,
      make("p", "", `${plural(comparison.differingTotal, "flag serves", "flags serve")} somebody something else in the file: `, names, more > 0 && ` and ${more.toLocaleString("en")} more`, "."),
      make("details", "", make("summary", "", "The first differences"), comparison.first.map(difference)),
      ...(warnings ? [warnings] : []),
    ],
    [button("primary", "Take over all the same", () => void choose({ source: "file", confirm: comparison.confirm }))],
  );
}

function difference({ flag, target, inForce, file }) {
  const side = (name, steps) => [make("dt", "", name), make("dd", "", steps.map((step) => make("div", "", step)))];
  const described = target ? ["for ", make("code", "", JSON.stringify(target))] : ["without a target"];
  return make("div", "takeover-difference", make("p", "", make("code", "", flag), " ", described), make("dl", "", side("In force", inForce), side("In the file", file)));
}

async function choose(choice) {
  for (const one of el("takeover-answer").querySelectorAll("button")) one.disabled = true;
  try {
    const described = await post("/admin/source", choice);
    clear();
    toast(described.serves === "file" ? "The file serves now." : "The upstream serves again.");
    if (described.unposted) answer([make("p", "", `${described.unposted}.`)]);
    await chosen();
  } catch (error) {
    answer([make("pre", "takeover-lines mistake", error.message)]);
  }
  el("takeover-ask").focus();
}
