// The shop's catalogue.

export type Motif = "sun" | "waves" | "peaks" | "leaf" | "moon" | "dots" | "arcs";

export interface Product {
  id: string;
  name: string;
  origin: string;
  notes: string;
  /** 1 (light) to 5 (dark). */
  roast: number;
  /** Cents for 250 g. */
  cents: number;
  /** The bag: its colour, its label's colour, and what is printed on it. */
  bag: string;
  label: string;
  motif: Motif;
  badge?: string;
}

export const products: Product[] = [
  { id: "first-light", name: "First Light", origin: "Ethiopia, Guji", notes: "Peach, jasmine, honey", roast: 1, cents: 1450, bag: "#e8a33d", label: "#fff3da", motif: "sun", badge: "New crop" },
  { id: "tidewater", name: "Tidewater", origin: "Sumatra, Gayo", notes: "Cedar, dark chocolate", roast: 4, cents: 1280, bag: "#2f6f7e", label: "#e3f4f2", motif: "waves" },
  { id: "high-pass", name: "High Pass", origin: "Peru, Cajamarca", notes: "Red apple, caramel", roast: 2, cents: 1320, bag: "#5d6b8f", label: "#eef0fa", motif: "peaks" },
  { id: "green-room", name: "Green Room", origin: "Costa Rica, Tarrazú", notes: "Lime, cane sugar", roast: 2, cents: 1390, bag: "#58803f", label: "#eff6e3", motif: "leaf" },
  { id: "half-moon", name: "Halfmoon House", origin: "Brazil and Colombia", notes: "Hazelnut, milk chocolate", roast: 3, cents: 1150, bag: "#3b2a4f", label: "#f4e6c4", motif: "moon", badge: "House blend" },
  { id: "confetti", name: "Confetti", origin: "Colombia, Huila", notes: "Cherry, pink grapefruit", roast: 2, cents: 1520, bag: "#c4516b", label: "#ffe9ec", motif: "dots" },
  { id: "low-road", name: "Low Road", origin: "Guatemala, Antigua", notes: "Toffee, orange peel", roast: 3, cents: 1260, bag: "#b5592f", label: "#ffecdd", motif: "arcs" },
  { id: "night-shift", name: "Night Shift", origin: "India, Chikmagalur", notes: "Molasses, clove", roast: 5, cents: 1180, bag: "#26262c", label: "#ece8e0", motif: "moon", badge: "Espresso" },
  { id: "estuary", name: "Estuary", origin: "Kenya, Nyeri", notes: "Blackcurrant, tomato leaf", roast: 1, cents: 1620, bag: "#7a2f48", label: "#fbe7ea", motif: "waves" },
  { id: "terrace", name: "Terrace", origin: "Rwanda, Nyamasheke", notes: "Plum, black tea", roast: 2, cents: 1440, bag: "#3f6b5a", label: "#e6f3ea", motif: "peaks" },
  { id: "slow-sunday", name: "Slow Sunday", origin: "Honduras, Marcala", notes: "Almond, cocoa, fig", roast: 3, cents: 1210, bag: "#d08a5b", label: "#fff1e4", motif: "sun" },
  { id: "undertow", name: "Undertow decaf", origin: "Mexico, Chiapas", notes: "Walnut, brown sugar", roast: 3, cents: 1340, bag: "#4a6fa5", label: "#e6eefa", motif: "arcs", badge: "Decaf" },
  { id: "fern", name: "Fern", origin: "Panama, Boquete", notes: "Bergamot, apricot", roast: 1, cents: 2180, bag: "#6f8f72", label: "#f1f6ea", motif: "leaf" },
  { id: "lanterns", name: "Lanterns", origin: "Vietnam, Đà Lạt", notes: "Vanilla, roasted barley", roast: 4, cents: 1120, bag: "#a33b2f", label: "#ffe8d6", motif: "dots" },
];
