// Draws a product's bag. Only values of the catalogue go into the markup.

import type { Motif, Product } from "./products";

const motifs: Record<Motif, string> = {
  sun: '<circle cx="60" cy="84" r="9"/><g stroke="var(--bag)" stroke-width="3" stroke-linecap="round"><path d="M60 66v-5M60 107v-5M42 84h-5M83 84h-5M47.3 71.3l-3.5-3.5M76.2 100.2l-3.5-3.5M47.3 96.7l-3.5 3.5M76.2 67.8l-3.5 3.5"/></g>',
  waves: '<g fill="none" stroke="var(--bag)" stroke-width="3.5" stroke-linecap="round"><path d="M38 74c7-8 15 8 22 0s15 8 22 0M38 85c7-8 15 8 22 0s15 8 22 0M38 96c7-8 15 8 22 0s15 8 22 0"/></g>',
  peaks: '<path d="M36 102 54 70l9 14 6-9 15 27Z"/><circle cx="77" cy="67" r="4.5"/>',
  leaf: '<path d="M42 102c-4-26 12-38 38-38 2 26-10 40-32 36"/><path d="M42 104 66 78" fill="none" stroke="var(--label)" stroke-width="3" stroke-linecap="round"/>',
  moon: '<path d="M66 64a20 20 0 1 0 15 28 17 17 0 0 1-15-28Z"/><circle cx="80" cy="70" r="2.5"/>',
  dots:
    '<circle cx="44" cy="72" r="4"/><circle cx="60" cy="68" r="6"/><circle cx="77" cy="74" r="4"/><circle cx="50" cy="86" r="6"/><circle cx="69" cy="88" r="5"/><circle cx="42" cy="98" r="4"/><circle cx="60" cy="102" r="4"/><circle cx="78" cy="99" r="5"/>',
  arcs: '<g fill="none" stroke="var(--bag)" stroke-width="4" stroke-linecap="round"><path d="M38 102a22 22 0 0 1 44 0M47 102a13 13 0 0 1 26 0"/></g><circle cx="60" cy="101" r="4"/>',
};

export function bag({ bag: colour, label, motif }: Product): SVGSVGElement {
  const holder = document.createElement("template");
  holder.innerHTML = `
    <svg viewBox="0 0 120 150" aria-hidden="true" class="bag" style="--bag:${colour};--label:${label}">
      <ellipse cx="60" cy="142" rx="42" ry="5" fill="#000" opacity=".16"/>
      <path d="M22 26h76l4 106a8 8 0 0 1-8 8H26a8 8 0 0 1-8-8Z" fill="var(--bag)"/>
      <path d="M22 26h14l-6 114h-4a8 8 0 0 1-8-8Z" fill="#fff" opacity=".13"/>
      <path d="M98 26H86l6 114h2a8 8 0 0 0 8-8Z" fill="#000" opacity=".14"/>
      <path d="M20 10h80a3 3 0 0 1 3 3v13H17V13a3 3 0 0 1 3-3Z" fill="var(--bag)"/>
      <path d="M17 20h86v6H17Z" fill="#000" opacity=".18"/>
      <rect x="26" y="14" width="68" height="2" rx="1" fill="#fff" opacity=".35"/>
      <circle cx="60" cy="37" r="3.5" fill="#000" opacity=".28"/>
      <rect x="30" y="52" width="60" height="74" rx="6" fill="var(--label)"/>
      <g fill="var(--bag)">${motifs[motif]}</g>
      <rect x="42" y="113" width="36" height="3" rx="1.5" fill="var(--bag)" opacity=".55"/>
      <rect x="49" y="119" width="22" height="2.5" rx="1.2" fill="var(--bag)" opacity=".35"/>
    </svg>`;
  const svg = holder.content.querySelector("svg");
  if (!svg) throw new Error("the bag's markup has no svg element");
  return svg;
}
