// The developers' strip at the foot of the page: connection, who is shopping, the flags' values and the last changes.

import { Event } from "flagwire";
import { byId, element } from "./dom";
import { client, flagNames, lastShopper, read, serverUrl, shopAs, shoppers, type Shopper } from "./flags";

const KEPT_CHANGES = 12;

const STATES: Record<string, string> = {
  initializing: "Connecting",
  cached: "From the last visit",
  ready: "Live",
  stale: "Reconnecting",
  closed: "Closed",
};

export function startPanel(): void {
  const state = element("span", { className: "state" });
  state.setAttribute("role", "status");
  const latest = element("span", { className: "latest" }, "Waiting for a change");
  const toggle = element("button", { type: "button", className: "toggle", aria: { controls: "panel-body", expanded: "false" } }, "Flags");
  const values = element("dl", { className: "values" });
  const changes = element("ol", { className: "changes", aria: { live: "polite" } });
  const body = element(
    "div",
    { id: "panel-body", className: "panel-body", hidden: true },
    element("section", {}, element("h2", {}, "Values now"), values),
    element("section", {}, element("h2", {}, "Last changes"), changes),
  );
  const bar = element(
    "div",
    { className: "panel-bar" },
    state,
    latest,
    shopperSwitch(() => drawValues(values)),
    element("a", { className: "server", href: `${serverUrl}/`, target: "_blank", rel: "noreferrer" }, "Server ↗"),
    toggle,
  );
  byId("panel").replaceChildren(body, bar);

  toggle.onclick = () => {
    body.hidden = !body.hidden;
    toggle.setAttribute("aria-expanded", String(!body.hidden));
  };
  const drawState = () => {
    const { status, reason } = client.state();
    state.dataset["status"] = status;
    state.textContent = STATES[status] ?? status;
    state.title = reason ?? "";
  };
  drawState();
  drawValues(values);
  changes.append(element("li", { className: "muted" }, "None yet: save flags.yaml, or flip a switch on the server’s page."));

  for (const event of [Event.STATE, Event.READY, Event.CONNECTED, Event.DISCONNECTED]) client.on(event, drawState);
  client.on(Event.FLAGS_LOADED, () => drawValues(values));
  client.on(Event.CHANGED, ({ flag, value, deleted }) => {
    const text = deleted ? "removed" : show(value);
    const now = new Date();
    changes.querySelector(".muted")?.remove();
    changes.prepend(element("li", {}, time(now), element("code", {}, flag), element("span", {}, text)));
    while (changes.children.length > KEPT_CHANGES) changes.lastElementChild?.remove();
    latest.replaceChildren(time(now), element("code", {}, flag), ` → ${text}`);
    // Restarts the flash of colour that draws the eye to the new change.
    latest.classList.remove("fresh");
    void latest.offsetWidth;
    latest.classList.add("fresh");
    drawValues(values);
  });
}

function shopperSwitch(done: () => void): HTMLElement {
  const choose = async (shopper: Shopper, input: HTMLInputElement) => {
    try {
      await shopAs(shopper);
      done();
    } catch (error) {
      input.setCustomValidity(`The flags for ${shopper.name} could not be fetched: ${error instanceof Error ? error.message : error}`);
      input.reportValidity();
      input.setCustomValidity("");
    }
  };
  const choices = shoppers.map((shopper) => {
    const input = element("input", { type: "radio", name: "shopper", value: shopper.identifier, checked: shopper === lastShopper() });
    input.onchange = () => void choose(shopper, input);
    return element("label", { title: shopper.about }, input, element("span", {}, shopper.name, element("small", {}, ` ${shopper.about}`)));
  });
  return element("fieldset", { className: "shoppers" }, element("legend", { className: "visually-hidden" }, "Shop as"), ...choices);
}

function drawValues(list: HTMLElement): void {
  list.replaceChildren(
    ...flagNames.map((flag) => element("div", {}, element("dt", {}, flag), element("dd", {}, element("code", {}, show(read(flag)))))),
  );
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function time(at: Date): HTMLElement {
  return element("time", { dateTime: at.toISOString() }, at.toLocaleTimeString("en-GB"));
}
