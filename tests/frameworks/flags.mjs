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
      free: { rps: 10 }
      gold: { rps: 100 }
    default: free
  free-shipping:
    default: false
    rules:
      - when: { plan: gold }
        serve: true
`;

export const TARGET = { identifier: "user-42", attributes: { plan: "gold" } };
