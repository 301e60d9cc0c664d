// Puts the page together: which flag draws which part, and when the first drawing happens.

import { renderBanner } from "./shop/banner";
import { renderBasket } from "./shop/basket";
import { renderLook } from "./shop/look";
import { renderShelf } from "./shop/shelf";
import { client, flagNames, type Flag } from "./flags";
import { startPanel } from "./panel";

/** How long a first visit waits for the server before the page is shown with the defaults. */
const PATIENCE_MS = 1_500;

const drawnBy: Record<Flag, () => void> = {
  "dark-mode": renderLook,
  theme: renderLook,
  layout: renderShelf,
  "page-size": renderShelf,
  banner: renderBanner,
  "free-shipping": renderBasket,
  "new-checkout": renderBasket,
};

// A page that is drawn with defaults and then again with the real values flickers. With values from the last visit
// there is nothing to wait for; without them it stays blank until they are there, but not for longer than a moment.
if (client.state().status === "initializing") {
  await Promise.race([client.ready(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]).catch(() => {});
}
new Set(Object.values(drawnBy)).forEach((draw) => draw());
document.documentElement.removeAttribute("data-booting");

// From here on each flag draws its part again when, and only when, it changes.
for (const flag of flagNames) client.onFlag(flag, () => withTransition(drawnBy[flag]));
startPanel();

/** Lets the browser cross-fade the change where it can. */
function withTransition(draw: () => void): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (calm || !document.startViewTransition || document.hidden) return draw();
  // A change that follows at once cuts the fade short, which the browser reports as a rejection.
  document.startViewTransition(draw).ready.catch(() => {});
}
