// An environment of the old service for the comparison with the published server SDKs: flags that all of them evaluate alike, and
// flags that they are known to evaluate in ways of their own.

const boolean = [
  { identifier: "true", name: "True", value: "true" },
  { identifier: "false", name: "False", value: "false" },
];
const theme = [
  { identifier: "classic", value: "classic" },
  { identifier: "ocean", value: "ocean" },
  { identifier: "forest", value: "forest" },
];
const size = [
  { identifier: "small", value: "4" },
  { identifier: "large", value: "12.5" },
];
const limits = [
  { identifier: "low", value: '{ "rps": 10 }' },
  { identifier: "high", value: '{"rps":100,"regions":["eu"]}' },
];

/** @param {string} attribute @param {string} op @param {string[]} values */
const clause = (attribute, op, ...values) => ({ id: "c", attribute, op, values, negate: false });
/** @param {string[]} groups */
const inGroup = (...groups) => clause("", "segmentMatch", ...groups);
/** @param {string} by @param {[string, number][]} shares */
const shares = (by, ...shares) => ({ distribution: { bucketBy: by, variations: shares.map(([variation, weight]) => ({ variation, weight })) } });
/** @param {number} priority @param {object} serve @param {object[]} clauses */
const rule = (priority, serve, ...clauses) => ({ ruleId: `r${priority}`, priority, clauses, serve });
/** @param {string} variation */
const to = (variation) => ({ variation });

/** @param {string} feature @param {string} kind @param {object[]} variations @param {object} [rest] */
const flag = (feature, kind, variations, rest = {}) => ({
  project: "shop",
  environment: "production",
  feature,
  kind,
  state: "on",
  version: 5,
  variations,
  offVariation: /** @type {{ identifier: string }} */ (variations[1]).identifier,
  defaultServe: to(/** @type {{ identifier: string }} */ (variations[0]).identifier),
  prerequisites: [],
  variationToTargetMap: [],
  rules: [],
  ...rest,
});

/** Flags that all evaluate alike. */
export const FLAGS = [
  flag("on", "boolean", boolean),
  flag("off", "boolean", boolean, { state: "off" }),
  flag("served-when-off", "string", theme, { state: "off", offVariation: "forest" }),
  flag("page-size", "int", size),
  flag("limits", "json", limits, { rules: [rule(1, to("high"), clause("plan", "equal", "GOLD"))] }),
  flag("for-gold", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("plan", "equal", "gold"))] }),
  flag("exactly-gold", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("plan", "equal_sensitive", "gold"))] }),
  flag("some-plans", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("plan", "in", "gold", "silver"))] }),
  flag("by-start", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("identifier", "starts_with", "user-1"))] }),
  flag("by-end", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("email", "ends_with", "@example.com"))] }),
  flag("by-part", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("email", "contains", "ann"))] }),
  flag("by-name", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("name", "equal", "Ada"))] }),
  flag("staff-only", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), inGroup("staff"))] }),
  flag("either-group", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), inGroup("beta", "staff"))] }),
  flag("first-rule-wins", "string", theme, {
    rules: [rule(3, to("forest"), clause("plan", "equal", "gold")), rule(1, to("ocean"), inGroup("beta")), rule(2, to("classic"), inGroup("staff"))],
  }),
  flag("shared", "boolean", boolean, { defaultServe: shares("identifier", ["true", 30], ["false", 70]) }),
  flag("three-shares", "string", theme, { defaultServe: shares("identifier", ["forest", 25], ["classic", 50], ["ocean", 25]) }),
  flag("shared-by-email", "string", theme, { defaultServe: shares("email", ["classic", 1], ["ocean", 98], ["forest", 1]) }),
  flag("shared-among-gold", "string", theme, { rules: [rule(1, shares("identifier", ["ocean", 50], ["forest", 50]), clause("plan", "equal", "gold"))] }),
  flag("nobody-yet", "boolean", boolean, { defaultServe: shares("identifier", ["true", 0], ["false", 100]) }),
  flag("by-target", "string", theme, {
    variationToTargetMap: [
      { variation: "ocean", targets: [{ identifier: "user-1", name: "Ada" }, { identifier: "007", name: "" }], targetSegments: [] },
      { variation: "forest", targets: [{ identifier: "user-2", name: "Bob" }], targetSegments: [] },
    ],
    rules: [rule(1, to("forest"), inGroup("staff"))],
  }),
  flag("needs-gold", "boolean", boolean, { prerequisites: [{ feature: "for-gold", variations: ["true"] }] }),
  flag("needs-a-theme", "string", theme, { offVariation: "forest", prerequisites: [{ feature: "first-rule-wins", variations: ["ocean", "forest"] }] }),
  flag("needs-a-chain", "boolean", boolean, { prerequisites: [{ feature: "needs-gold", variations: ["true"] }] }),
  flag("needs-what-is-off", "boolean", boolean, { prerequisites: [{ feature: "off", variations: ["true"] }] }),
];

/** @param {object} clause */
const ifHolds = (clause) => ({ defaultServe: to("false"), rules: [rule(1, to("true"), clause)] });

/**
 * A flag for each entry of the server's list of differences between SDKs, by its name there: the SDKs that are named evaluate it in a
 * way of their own for some target. Harness's service and its Go SDK do as we do. `leftOut` where the import leaves out what they differ
 * in, as it has no effect here.
 *
 * @type {Record<string, { flag: ReturnType<typeof flag>, sdks: ("node" | "python" | "java")[], leftOut?: boolean }>}
 */
export const KNOWN_DIFFERENCES = {
  "several-conditions": {
    flag: flag("two-conditions", "boolean", boolean, { defaultServe: to("false"), rules: [rule(1, to("true"), clause("plan", "equal", "gold"), clause("email", "ends_with", "@example.com"))] }),
    sdks: ["node", "python", "java"],
  },
  "several-conditions-of-a-group": { flag: flag("in-a-narrow-group", "boolean", boolean, ifHolds(inGroup("gold-in-germany"))), sdks: ["java"] },
  match: { flag: flag("by-pattern", "boolean", boolean, ifHolds(clause("email", "match", "^ann"))), sdks: ["node", "python", "java"] },
  gt: { flag: flag("after-a-text", "boolean", boolean, ifHolds(clause("level", "gt", "b"))), sdks: ["python", "java"] },
  "number-as-text": { flag: flag("of-an-age", "boolean", boolean, ifHolds(clause("age", "in", "41", "42"))), sdks: ["python"] },
  "equal-false": { flag: flag("not-in-beta", "boolean", boolean, ifHolds(clause("beta", "equal", "false"))), sdks: ["python"] },
  "empty-text": { flag: flag("without-a-plan", "boolean", boolean, ifHolds(clause("plan", "equal", ""))), sdks: ["python", "java"], leftOut: true },
  members: { flag: flag("for-partners", "boolean", boolean, ifHolds(inGroup("partners"))), sdks: ["java"] },
  "shares-by-a-number": { flag: flag("shared-by-seat", "string", theme, { defaultServe: shares("seat", ["ocean", 50], ["forest", 50]) }), sdks: ["node", "python"] },
};

export const GROUPS = [
  group("staff", { servingRules: [{ ruleId: "s1", priority: 1, clauses: [clause("email", "ends_with", "@example.com")] }], included: ["user-7"], excluded: ["user-9"] }),
  group("beta", {
    included: ["user-1", "user-12"],
    servingRules: [{ ruleId: "s1", priority: 1, clauses: [clause("country", "in", "DE", "AT")] }],
  }),
  group("gold-in-germany", { servingRules: [{ ruleId: "s1", priority: 1, clauses: [clause("plan", "equal", "gold"), clause("country", "in", "DE")] }] }),
  group("partners", { included: ["partner-of-ours"], servingRules: [] }),
];

/** @param {string} identifier @param {{ included?: string[], excluded?: string[], servingRules: { clauses: object[] }[] }} parts */
function group(identifier, { included = [], excluded = [], servingRules }) {
  const members = (/** @type {string[]} */ ids) => ids.map((id) => ({ identifier: id, name: "", account: "", org: "", project: "", environment: "" }));
  return { identifier, name: identifier, environment: "production", version: 2, createdAt: 1, modifiedAt: 1, tags: [], included: members(included), excluded: members(excluded), rules: [], servingRules };
}

/** Targets that reach all of it: each rule and its neighbours, members and others, and enough identifiers for each edge of a share. */
export const TARGETS = [
  { identifier: "user-1", name: "Ada", attributes: {} },
  { identifier: "user-7", name: "Grace", attributes: { plan: "free" } },
  { identifier: "user-9", name: "Eve", attributes: { email: "eve@example.com", plan: "gold" } },
  { identifier: "user-10", name: "ada", attributes: { plan: "Gold" } },
  { identifier: "user-11", name: "Bob", attributes: { plan: "gold", email: "joann@example.com", level: "c" } },
  { identifier: "user-13", name: "Cy", attributes: { plan: "gold", email: "ann@shop.example", level: "a" } },
  { identifier: "007", name: "James", attributes: { plan: "silver", country: "DE" } },
  { identifier: "jim", name: "Jim", attributes: { plan: "silver", country: "de" } },
  { identifier: "user-2", name: "Bo", attributes: { email: "bo@example.com" } },
  { identifier: "of-age", name: "Al", attributes: { age: 41, beta: false, level: "C", plan: "" } },
  { identifier: "in-beta", name: "Di", attributes: { age: 7, beta: true, country: "DE", plan: "gold" } },
  { identifier: "partner-of-ours", name: "Pat", attributes: {} },
  { identifier: "partner", name: "Pia", attributes: {} },
  ...Array.from({ length: 20 }, (_, at) => ({ identifier: `seated-${at}`, name: `Seated ${at}`, attributes: { seat: at % 2 ? at : 0 } })),
  ...Array.from({ length: 150 }, (_, at) => ({ identifier: `edge-${at}`, name: `Edge ${at}`, attributes: { plan: at % 3 ? "gold" : "free", email: `edge-${at}@mail.example` } })),
];
