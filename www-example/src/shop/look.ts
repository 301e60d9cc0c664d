// Flags `dark-mode` and `theme`: the colours of the whole page. The styles hang on two attributes of <html>.

import { read } from "../flags";

const THEMES = ["classic", "ocean", "sunset"];

export function renderLook(): void {
  const page = document.documentElement;
  const theme = read("theme");
  page.dataset["theme"] = THEMES.includes(theme) ? theme : "classic";
  page.dataset["scheme"] = read("dark-mode") ? "dark" : "light";
}
