/** One flag of each kind, and one that depends on the target. */
export const FLAGS = `flags:
  dark-mode: false
  theme:
    variations: { classic: classic, ocean: ocean }
    default: classic
  page-size:
    variations: { small: 4, large: 12 }
    default: small
  limits:
    variations:
      free: { rps: 10, regions: [eu] }
      gold: { rps: 100, regions: [eu, us] }
    default: free
  free-shipping:
    default: false
    rules:
      - when: { plan: gold }
        serve: true
`;

export const TARGET = { identifier: "user-42", name: "Ada", attributes: { plan: "gold" } };
