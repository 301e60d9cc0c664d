// The reference of the flags file, docs/reference/flags-file.md, made of its JSON schema: each key with what it means, what it takes, and an
// example, which a test checks as `flagwire-server check` does.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../project.mjs";

const schema = JSON.parse(readFileSync(join(root, "crates", "flags-file", "flags.schema.json"), "utf8"));

/** Of each key an example: a whole file. @type {Record<string, Record<string, string>>} */
const EXAMPLES = {
  file: {
    flags: "flags:\n  dark-mode: false\n  page-size: 50\n",
    groups: 'groups:\n  staff:\n    rules: [{ email: { ends-with: "@example.com" } }]\n',
  },
  flag: {
    description: "flags:\n  dark-mode: { value: false, description: Dark colours on all pages }\n",
    tags: "flags:\n  dark-mode: { value: false, tags: [design, 2026] }\n",
    owner: "flags:\n  dark-mode: { value: false, owner: ana@example.com }\n",
    metadata: "flags:\n  dark-mode: { value: false, metadata: { team: shop, expires: 2027-01-31 } }\n",
    kind: "flags:\n  zip: { value: 01234, kind: string }\n",
    state: "flags:\n  new-checkout: { value: true, state: off }\n",
    value: "flags:\n  banner:\n    value: { text: Autumn sale, link: /sale }\n",
    variations: "flags:\n  theme:\n    variations: { classic: classic, ocean: ocean }\n    default: classic\n",
    default: 'flags:\n  new-checkout:\n    variations: { "true": true, "false": false }\n    default: { "true": 10, "false": 90 }\n',
    by: 'flags:\n  new-checkout:\n    variations: { "true": true, "false": false }\n    default: { "true": 10, "false": 90 }\n    by: company\n',
    off: "flags:\n  theme:\n    variations: { classic: classic, ocean: ocean }\n    default: ocean\n    off: classic\n",
    requires: "flags:\n  new-checkout: true\n  express-pay:\n    default: true\n    requires: { new-checkout: true }\n",
    targets: "flags:\n  theme:\n    variations: { classic: classic, ocean: ocean }\n    default: classic\n    targets: { ocean: [user-7, user-9] }\n",
    rules: "flags:\n  theme:\n    variations: { classic: classic, ocean: ocean }\n    default: classic\n    rules:\n      - when: { plan: gold }\n        serve: ocean\n",
  },
  rule: {
    name: "flags:\n  dark-mode:\n    default: false\n    rules:\n      - name: staff first\n        when: { plan: gold }\n        serve: true\n",
    when: "flags:\n  dark-mode:\n    default: false\n    rules:\n      - when: { plan: [gold, silver], country: ch }\n        serve: true\n",
    serve: 'flags:\n  dark-mode:\n    default: false\n    rules:\n      - when: { plan: gold }\n        serve: { "true": 50, "false": 50 }\n',
    by: 'flags:\n  dark-mode:\n    default: false\n    rules:\n      - when: { plan: gold }\n        serve: { "true": 50, "false": 50 }\n        by: company\n',
  },
  condition: {
    group: "flags:\n  dark-mode:\n    default: false\n    rules: [{ when: { group: staff }, serve: true }]\ngroups:\n  staff: { include: [user-7] }\n",
    is: when("{ plan: { is: gold } }"),
    "is-exactly": when("{ plan: { is-exactly: Gold } }"),
    in: when("{ plan: { in: [gold, silver] } }"),
    "starts-with": when("{ identifier: { starts-with: staff- } }"),
    "ends-with": when('{ email: { ends-with: "@example.com" } }'),
    contains: when("{ email: { contains: example } }"),
    matches: when('{ email: { matches: "@example[.](com|org)$" } }'),
    after: when('{ joined: { after: "2026-06-01" } }'),
  },
  group: {
    name: "groups:\n  staff: { name: The staff, include: [user-7] }\n",
    include: "groups:\n  staff: { include: [user-7, user-9] }\n",
    exclude: "groups:\n  staff:\n    exclude: [user-9]\n    rules: [{ plan: gold }]\n",
    rules: 'groups:\n  staff:\n    rules:\n      - { email: { ends-with: "@example.com" } }\n      - { plan: gold, country: ch }\n',
  },
};
/** Tells apart the headings of keys that several parts have. @type {Record<string, string>} */
const OF = { rule: " of a rule", condition: " in a condition", group: " of a group" };
/** What the schema says by its shape alone. @type {Record<string, string>} */
const SAID = {
  "rule.when": "The conditions, all of which must hold.",
  "rule.serve": "The variation to serve then, or shares in percent that make 100.",
  "rule.by": "The attribute that decides who gets which share; the identifier if left out.",
  "group.name": "For people.",
  "flag.state": "Whether the flag is on. An off flag serves its `off` variation to everybody.",
  "flag.default": "What is served where nothing else applies: a variation, or shares in percent that make 100.",
  "condition.is": "Equality, whatever the case. The same as `plan: gold`.",
  "condition.is-exactly": "Equality, upper and lower case counting.",
  "condition.in": "One of these, upper and lower case counting. The same as a list.",
  "condition.starts-with": "The text begins so.",
  "condition.ends-with": "The text ends so.",
  "condition.contains": "The text has this in it.",
  "condition.matches": "The regular expression matches somewhere in the text.",
  "condition.after": "The text comes later by the order of its characters. Good for dates such as `2026-06-01`, wrong for numbers.",
};

/** @param {string} conditions */
function when(conditions) {
  return `flags:\n  dark-mode:\n    default: false\n    rules:\n      - when: ${conditions}\n        serve: true\n`;
}

/** The parts of the page with the schema's keys. @returns {{ id: string, title: string, intro: string, keys: Record<string, any> }[]} */
export function parts() {
  const { $defs: defs } = schema;
  const flag = defs.shortFlag.anyOf[1].properties;
  const operators = defs.conditions.additionalProperties.anyOf.find((/** @type {any} */ one) => one.type === "object").properties;
  return [
    { id: "file", title: "The file", intro: "A file has flags, groups, or both.", keys: schema.properties },
    { id: "flag", title: "A flag", intro: "A flag is one value for everybody, as `dark-mode: false`, or a map with these keys.", keys: flag },
    { id: "rule", title: "A rule", intro: "The first rule whose conditions hold decides.", keys: flag.rules.items.properties },
    {
      id: "condition",
      title: "A condition",
      intro: "The key is an attribute of the target, `identifier` or `name`; the value is compared with it. `plan: gold` is equality whatever the case, and `plan: [gold, silver]` one of these. For anything else write an operator.",
      keys: { ...defs.conditions.properties, ...operators },
    },
    { id: "group", title: "A group", intro: "A target is a member if it is included, or if all conditions of one rule hold, and it is not excluded.", keys: defs.shortGroup.properties },
  ];
}

/** The whole page. */
export function flagsFilePage() {
  const text = parts().map(({ id, title, intro, keys }) => `## ${title}\n\n${intro}\n\n${Object.entries(keys).map(([key, shape]) => entry(id, key, shape)).join("\n")}`);
  return `# The flags file, key by key

<!-- Made of crates/flags-file/flags.schema.json by a test: \`UPDATE_DOCS=1 npm test -- site\`. -->

[The flags file](../SERVER.md#the-flags-file) explains it as a whole, with what happens when it is saved. This page has every key of the
short form with an example, which is a whole file. \`flagwire-server check flags.yaml\`, or \`npx flagwire check flags.yaml\`, says where
a file has mistakes. \`flagwire-server schema\` prints the schema for your editor.

${text.join("\n")}`;
}

/** @param {string} part @param {string} key @param {any} shape */
function entry(part, key, shape) {
  const meaning = SAID[`${part}.${key}`] ?? shape.description ?? schema.$defs[shape.$ref?.split("/").at(-1)]?.description;
  const example = EXAMPLES[part]?.[key];
  if (!meaning || !example) throw new Error(`docs/site/lib/reference/flags-file.mjs lacks the meaning or an example of ${part}.${key}`);
  return `### \`${key}\`${OF[part] ?? ""}\n\n${meaning}${values(shape)}\n\n\`\`\`yaml\n${example}\`\`\`\n`;
}

/** @param {any} shape */
function values(shape) {
  const all = shape.enum ?? schema.$defs[shape.$ref?.split("/").at(-1)]?.enum;
  return all ? ` One of ${all.map((/** @type {unknown} */ one) => `\`${one}\``).join(", ")}.` : "";
}
