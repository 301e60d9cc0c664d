// Describes the steps of an evaluation in words, in the order in which they were taken.

import { make, plural, set } from "./dom.js";
import { all, clause, code, listed, rollout, ruleName, serving, variation } from "./words.js";

const MEMBERSHIP = {
  unknown: "there is no such group",
  excluded: "excluded by name",
  included: "included by name",
  rule: "a member by its rules",
  no: "not a member",
};

/** Returns the steps through one flag. `flags` has all flags, for the colours of their variations. */
export function walk(told, flag, flags, who) {
  const list = steps(told, told.steps, flag, flags, who);
  const left = notReached(told.steps, flag);
  if (left) list.append(item("skipped", left));
  if (told.omitted) list.append(item("skipped", `${told.omitted} more steps are left out, as there are too many`));
  if (told.served) {
    list.append(item("result-line", make("b", "", "So it gets "), variation(told.served.evaluation.identifier, flag), make("b", "", ", which is "), code(told.served.evaluation.value)));
  }
  return list;
}

function steps(told, all_, flag, flags, who) {
  let rule = 0;
  return make(
    "ol",
    "steps",
    all_.map((one) => {
      if (one.step === "rule") rule += 1;
      return step(one, { told, flag, flags, who, rule });
    }),
  );
}

const item = (outcome, ...content) => make("li", `step-line ${outcome}`, set(make("span", "mark"), { "aria-hidden": "true" }), make("div", "step-text", ...content));

function step(one, { told, flag, flags, who, rule }) {
  switch (one.step) {
    case "prerequisite":
      return prerequisite(one, told, flags, who);
    case "state":
      return one.on ? item("yes", "The flag is on.") : item("no", "The flag is off.");
    case "noTarget":
      return item("info", "There is no target, so neither overrides nor rules apply.");
    case "offVariation":
      return item("yes", "It serves its variation for off: ", variation(one.variation, flag));
    case "targetMap":
      return item(
        one.matched ? "yes" : "no",
        "Override for ",
        variation(one.variation, flag),
        ": ",
        code(who),
        one.named ? " is named." : one.matched ? " is a member of a group that is named." : " is not named.",
        one.segments.length > 0 && make("ul", "checks", one.segments.map((segment) => group(segment))),
      );
    case "rule": {
      const name = ruleName(one.rule);
      return item(
        one.matched ? "yes" : "no",
        make("b", "", `Rule ${rule}`),
        name && [" ", make("span", "rule-name", `“${name}”`)],
        one.matched ? " applies: all its conditions hold." : one.clauses.length === 0 ? " has no condition, so it never applies." : " does not apply.",
        make("ul", "checks", one.clauses.map(check)),
        make("p", "would", one.matched ? "It serves " : "It would serve ", serving(one.serve, flag), one.matched && !one.usable && "That is nothing, so the next rule is tried."),
      );
    }
    case "rollout":
      return item(
        "yes",
        one.bucket === null
          ? "There is nothing to share out by, so the last share is served: "
          : make("span", "", "Shares: ", code(one.input), ` falls into bucket ${one.bucket} of 100, and `, make("b", "", one.from === one.to ? `${one.from}` : `${one.from} to ${one.to}`), " is "),
        variation(one.variation, flag),
        one.fallback && make("p", "aside", "The target lacks the attribute to share out by, so its identifier decides."),
        rollout(one.shares, flag, { bucket: one.bucket }),
      );
    case "defaultServe":
      return item("yes", "Nothing else applies, so the default is served: ", variation(one.variation ?? "", flag));
    default:
      return item("info", one.step);
  }
}

function prerequisite(one, told, flags, who) {
  const other = flags.find((flag) => flag.flag === one.flag);
  const whose = one.of === told.flag ? "It requires" : [code(one.of), " requires"];
  const wanted = listed(all(one.wanted), "or", (name) => variation(name, other));
  const serves = one.served === null ? [] : ["; it serves ", variation(one.served, other), "."];
  const outcome = {
    met: [],
    notMet: [" So the off variation is served."],
    unknownFlag: [". There is no such flag, so this and what is required after it counts as met."],
    cannotEvaluate: [". It cannot be evaluated, so this and what is required after it counts as met."],
    metBefore: [" What that flag requires itself is told once."],
  }[one.outcome] ?? [];
  const how = one.steps?.length
    ? make("details", "nested", make("summary", "", "How ", code(one.flag), " came to that"), steps({ flag: one.flag }, one.steps, other, flags, who))
    : null;
  return item(one.outcome === "notMet" ? "no" : one.served === null ? "info" : "yes", whose, " ", make("span", "attribute", one.flag), " to serve ", ...wanted, ...serves, ...outcome, how);
}

/** Returns a condition and its result. */
function check(one) {
  const content = [make("span", "condition", ...clause(one))];
  if (one.problem) content.push(make("span", "found", ` – cannot hold: ${one.problem}`));
  else if (one.op !== "segmentMatch") content.push(make("span", "found", " – ", ...(one.actual === null ? [`the target has no ${one.attribute}`] : ["it is ", code(one.actual)])));
  if (one.segments?.length) content.push(make("ul", "checks", one.segments.map(group)));
  return set(make("li", one.matched ? "holds" : "fails", make("span", "sr-only", one.matched ? "Holds: " : "Does not hold: "), ...content), {});
}

function group(one) {
  const member = one.outcome === "included" || one.outcome === "rule";
  return make(
    "li",
    member ? "holds" : "fails",
    "group ",
    make("span", "attribute", one.segment),
    `: ${MEMBERSHIP[one.outcome] ?? one.outcome}`,
    one.rules?.length > 0 && make("ul", "checks", one.rules.map((rule, at) => make("li", rule.matched ? "holds" : "fails", `its rule ${at + 1}`, make("ul", "checks", rule.clauses.map(check))))),
  );
}

/** Returns a sentence about the steps after the one that decided, which were not taken. */
function notReached(list, flag) {
  if (!flag || list.some((one) => one.step === "offVariation")) return "";
  const seen = (name) => list.filter((one) => one.step === name).length;
  const parts = [];
  const overrides = flag.overrides.length - seen("targetMap");
  const rules = flag.rules.length - seen("rule");
  if (overrides > 0) parts.push(plural(overrides, "override"));
  if (rules > 0) parts.push(plural(rules, "rule"));
  const decided = list.some((one) => one.matched);
  if (decided) parts.push("the default");
  return parts.length === 0 || !decided ? "" : `Not evaluated: ${parts.join(", ").replace(/, ([^,]*)$/, " and $1")}.`;
}
