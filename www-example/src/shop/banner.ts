// Flag `banner`: an announcement above the shop, a JSON value { text, tone, link }.

import { byId, element } from "../dom";
import { read } from "../flags";

export function renderBanner(): void {
  const { text, tone, link } = read("banner");
  const banner = byId("banner");
  banner.hidden = !text;
  banner.dataset["tone"] = tone;
  const href = safeLink(link);
  banner.replaceChildren(href ? element("a", { href }, text, element("span", { aria: { hidden: "true" } }, " →")) : element("span", {}, text ?? ""));
}

/** A link within the page or to the web. A flag's value comes from outside: `javascript:` must not get into an href. */
function safeLink(link: unknown): string | undefined {
  if (typeof link !== "string" || link === "" || !URL.canParse(link, location.href)) return undefined;
  return ["http:", "https:"].includes(new URL(link, location.href).protocol) ? link : undefined;
}
