// Finds what `npx flagwire migrate` changes in one script: the packages that it imports, and the server's URL for its clients.
//
// The script is parsed, so that a comment or a string that looks like an import is not changed. Edits replace parts of the text, so
// that everything else stays the same, byte for byte.

import { parse } from "@babel/parser";

/** The SDKs' packages and their replacements. */
export const PACKAGES = { "@harnessio/ff-javascript-client-sdk": "flagwire/harness", "@harnessio/ff-react-client-sdk": "flagwire/harness/react" };

/** The pattern that a file must match to be parsed. */
export const OF_INTEREST = /@harnessio\/|\bff\.harness\.io\b|flagwire\/harness/;

/**
 * A replacement of `text.slice(start, end)`.
 *
 * @typedef {{ start: number, end: number, text: string, what: string }} Edit
 */
/**
 * A place that the user has to change. `keeps` is the package that it still needs.
 *
 * @typedef {{ at: number, what: string, keeps?: string }} Left
 */
/** @typedef {{ edits: Edit[], left: Left[] }} Findings */
/** @typedef {any} Node a node of Babel's tree, of which there are too many kinds to tell apart here */

/** The paths below a package that only have exports of its main entry. @type {Record<string, RegExp>} */
const DEEP = {
  "@harnessio/ff-javascript-client-sdk": /^\/dist(?:\/(?:index|types|sdk\.esm|sdk\.cjs)(?:\.js|\.d\.ts|\.d)?)?\/?$/,
  "@harnessio/ff-react-client-sdk": /^\/dist\/(?:esm|cjs)(?:\/(?:index|context\/FFContext|hooks\/\w+|hoc\/\w+|test-utils(?:\/(?:index|TestWrapper))?)(?:\.js|\.d\.ts|\.d)?)?\/?$/,
};
const NAMED = /@harnessio\/ff-(?:javascript|react)-client-sdk(?![\w-])/;
/** The note about a module name that is computed. */
const CUT_OFF = /^@harnessio\/(?:ff-)?$/;
const HARNESS = /^(?:https?:)?\/\/(?:[\w-]+\.)*ff\.harness\.io(?![\w.-])/i;
const MENTIONED_HOST = /\bff\.harness\.io\b/i;
const URL_OPTIONS = ["baseUrl", "eventUrl", "streamUrl"];

const MOCKING = new Set(["jest", "vi", "vitest"]);
const MOCKS = new Set(
  ["mock", "doMock", "unmock", "doUnmock", "dontMock", "deepUnmock", "setMock", "requireActual", "requireMock", "importActual", "importMock"].concat(
    ["createMockFromModule", "genMockFromModule", "unstable_mockModule", "unstable_unmockModule"],
  ),
);

/**
 * @param {string} script
 * @param {string} language the extension of the file without the dot, such as `tsx`; with `d.` before it for declarations
 * @param {{ baseUrl?: string | undefined, eol?: string }} options
 * @returns {Findings}
 */
export function rewrite(script, language, { baseUrl, eol = "\n" }) {
  /** @type {Findings} */
  const found = { edits: [], left: [] };
  const tree = parsed(script, language, found);
  if (!tree) return found;
  const names = clientNames(tree);
  const quote = /^\s*(?:import|export)\b[^"'`;]*(["'])/m.exec(script)?.[1] ?? '"';
  const place = { script, found, names, baseUrl, eol, url: quote + (baseUrl ?? "").replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote };
  walk(tree.program, [], (node, parents) => {
    const text = textOf(node);
    if (text !== undefined) visitText(node, parents, text, found, baseUrl);
    else if (node.type === "CallExpression" && node.arguments.length >= 2 && isNamed(node.callee, names.initialize, names.spaces, "initialize")) optionsOfCall(node, place);
    else if (node.type === "JSXOpeningElement" && isNamed(node.name, names.provider, names.spaces, "FFContextProvider")) optionsOfElement(node, place);
    else if (/^(?:createElement|h|jsxs?)$/.test(nameOf(node.callee?.property ?? node.callee) ?? "") && node.arguments?.[0] && isNamed(node.arguments[0], names.provider, names.spaces, "FFContextProvider"))
      found.left.push({ at: node.start, what: "see that the options of this FFContextProvider have your server's baseUrl and eventUrl" });
  });
  for (const { value, start } of tree.comments ?? []) {
    const keeps = NAMED.exec(value)?.[0];
    if (keeps && /\bimport\s*\(|\breference\s+types|@jest-environment|\brequire\s*\(/.test(value)) found.left.push({ at: start, what: `this comment names ${keeps}; comments are not changed, though compilers read types in some`, keeps });
  }
  return found;
}

/** @param {string} script @param {string} language @param {Findings} found @returns {Node | undefined} */
function parsed(script, language, { left }) {
  const typescript = /** @type {const} */ (["typescript", { dts: language.startsWith("d.") }]);
  // JavaScript files may contain Flow's types. If Flow's grammar does not fit, TypeScript's is tried.
  const ways = /^(?:d\.)?[mc]?ts$/.test(language) ? [[typescript]] : language === "tsx" ? [[typescript, "jsx"]] : [["flow", "jsx"], [typescript, "jsx"], [typescript]];
  let why = "";
  for (const plugins of ways) {
    try {
      return parse(script, {
        sourceType: "unambiguous",
        errorRecovery: true,
        allowAwaitOutsideFunction: true,
        allowImportExportEverywhere: true,
        allowNewTargetOutsideFunction: true,
        allowReturnOutsideFunction: true,
        allowSuperOutsideMethod: true,
        allowUndeclaredExports: true,
        plugins: /** @type {any} */ ([...plugins, "decorators-legacy", "decoratorAutoAccessors", "explicitResourceManagement", "importAttributes"]),
      });
    } catch (error) {
      why ||= /** @type {Error} */ (error).message;
    }
  }
  const keeps = NAMED.exec(script)?.[0];
  if (keeps || MENTIONED_HOST.test(script)) left.push({ at: Math.max(0, script.search(/@harnessio\/|\bff\.harness\.io\b/)), what: `this file cannot be read (${why}); change it yourself`, ...(keeps && { keeps }) });
  return undefined;
}

/** @param {Node} node @param {Node[]} parents @param {(node: Node, parents: Node[]) => void} visit */
function walk(node, parents, visit) {
  visit(node, parents);
  const inside = [...parents, node];
  for (const [key, child] of Object.entries(node)) {
    if (key === "loc" || key === "extra" || key.endsWith("omments")) continue;
    for (const one of Array.isArray(child) ? child : [child]) if (typeof one?.type === "string") walk(one, inside, visit);
  }
}

/** Returns the value of a string literal or a template without expressions. @param {Node} node @returns {string | undefined} */
function textOf(node) {
  if (node.type === "StringLiteral") return node.value;
  return node.type === "TemplateElement" ? (node.value.cooked ?? node.value.raw) : undefined;
}

/** @param {Node} node @param {Node[]} parents @param {string} text @param {Findings} found @param {string | undefined} baseUrl */
function visitText(node, parents, text, { edits, left }, baseUrl) {
  const inner = node.type === "StringLiteral" ? { start: node.start + 1, end: node.end - 1 } : { start: node.start, end: node.end };
  const keeps = NAMED.exec(text)?.[0];
  if (keeps || CUT_OFF.test(text)) {
    const to = isSpecifier(node, parents) ? replacementOf(text) : undefined;
    if (to) edits.push({ ...inner, text: to, what: `${text} → ${to}` });
    else if (keeps && isSpecifier(node, parents)) left.push({ at: node.start, what: `nothing takes the place of ${text}; import what you need from ${replacementOf(keeps)}`, keeps });
    else left.push({ at: node.start, what: `this text names ${keeps ?? "a package of @harnessio"}, and is not where a module is imported; see what it is for`, ...(keeps && { keeps }) });
  } else if (MENTIONED_HOST.test(text)) {
    const option = HARNESS.test(text) && urlOption(parents);
    if (option && baseUrl !== undefined) edits.push({ ...inner, text: baseUrl, what: `${option} ${text} → ${baseUrl}` });
    else left.push({ at: node.start, what: option ? `${option} is Harness's; give --base-url, or change it` : "this address is Harness's" });
  }
}

/** @param {string} specifier @returns {string | undefined} */
function replacementOf(specifier) {
  for (const [name, to] of Object.entries(PACKAGES)) {
    if (specifier === name || (specifier.startsWith(`${name}/`) && DEEP[name]?.test(specifier.slice(name.length)))) return to;
  }
  return undefined;
}

/** Returns whether a string names a module. @param {Node} node @param {Node[]} parents */
function isSpecifier(node, parents) {
  // In a template the string is inside; a literal type of TypeScript is around it.
  let place = parents.length - 1;
  if (parents[place]?.type === "TemplateLiteral") {
    if (parents[place].expressions.length) return false;
    node = parents[place--];
  }
  if (parents[place]?.type === "TSLiteralType") node = parents[place--];
  const parent = parents[place];
  switch (parent?.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
      return parent.source === node;
    case "TSExternalModuleReference":
      return parent.expression === node;
    case "TSImportType":
      return parent.argument === node;
    case "TSModuleDeclaration":
    case "DeclareModule":
      return parent.id === node;
    case "CallExpression":
    case "OptionalCallExpression":
      return parent.arguments[0] === node && takesModule(parent.callee);
    default:
      return false;
  }
}

/** Returns whether a function's first argument is a module. @param {Node} callee */
function takesModule(callee) {
  if (callee.type === "Import") return true;
  if (callee.type === "Identifier") return callee.name === "require";
  if (callee.type !== "MemberExpression") return false;
  const method = nameOf(callee.property) ?? "";
  // This is import.meta.resolve.
  if (callee.object.type === "MetaProperty") return method === "resolve";
  const base = baseOf(callee.object);
  return (
    (base === "require" && method === "resolve") || (base === "module" && method === "require") || (base === "mock" && method === "module") || (MOCKING.has(base ?? "") && MOCKS.has(method))
  );
}

/** Returns the name at the start of a chain of calls: jest in jest.mock("a").mock("b"). @param {Node} node @returns {string | undefined} */
function baseOf(node) {
  if (node.type === "CallExpression") return baseOf(node.callee);
  return node.type === "MemberExpression" ? baseOf(node.object) : nameOf(node);
}

/** @param {Node} node @returns {string | undefined} */
function nameOf(node) {
  if (node?.type === "Identifier" || node?.type === "JSXIdentifier") return node.name;
  return node?.type === "StringLiteral" ? node.value : undefined;
}

/** Returns the option or variable for a URL whose value is a string, also as a default: `baseUrl: process.env.URL ?? "…"`. @param {Node[]} parents */
function urlOption(parents) {
  for (const parent of parents.toReversed()) {
    if (/^(?:TemplateLiteral|LogicalExpression|ConditionalExpression|TS\w+Expression|ParenthesizedExpression)$/.test(parent.type)) continue;
    const name = nameOf(parent.key ?? parent.id ?? parent.left);
    return /^(?:ObjectProperty|ClassProperty|VariableDeclarator|AssignmentPattern)$/.test(parent.type) ? URL_OPTIONS.find((option) => option === name) : undefined;
  }
  return undefined;
}

/**
 * Returns the local names of the SDK's `initialize` and `FFContextProvider`, and of namespace imports.
 *
 * @param {Node} tree
 */
function clientNames(tree) {
  const names = { initialize: new Set(), provider: new Set(), spaces: new Set(), objects: new Map() };
  const add = (/** @type {string | undefined} */ imported, /** @type {string} */ local) => {
    if (imported === "initialize") names.initialize.add(local);
    if (imported === "FFContextProvider") names.provider.add(local);
  };
  const isSdk = (/** @type {Node} */ node) => {
    const text = node && textOf(node);
    return text !== undefined && (replacementOf(text) !== undefined || Object.values(PACKAGES).includes(text));
  };
  walk(tree.program, [], (node) => {
    if (node.type === "ImportDeclaration" && isSdk(node.source)) {
      for (const { type, imported, local } of node.specifiers) {
        if (type === "ImportSpecifier") add(nameOf(imported), local.name);
        else names.spaces.add(local.name);
      }
    }
    if (node.type !== "VariableDeclarator" || !node.init) return;
    const { id, init } = node;
    const plain = init.type.startsWith("TS") ? init.expression : init;
    if (id.type === "Identifier" && plain?.type === "ObjectExpression") names.objects.set(id.name, plain);
    const call = init.type === "AwaitExpression" ? init.argument : init;
    if (!/Call|Import/.test(call.type) || !isSdk(call.source ?? call.arguments?.[0])) return;
    if (id.type === "Identifier") names.spaces.add(id.name);
    for (const property of id.type === "ObjectPattern" ? id.properties : []) if (property.value?.type === "Identifier") add(nameOf(property.key), property.value.name);
  });
  return names;
}

/** @param {Node} node @param {Set<string>} locals @param {Set<string>} spaces @param {string} exported */
function isNamed(node, locals, spaces, exported) {
  if (node.type === "MemberExpression" || node.type === "JSXMemberExpression") return spaces.has(nameOf(node.object) ?? "") && nameOf(node.property) === exported;
  return locals.has(nameOf(node) ?? "");
}

/** @typedef {{ script: string, found: Findings, names: ReturnType<typeof clientNames>, baseUrl: string | undefined, eol: string, url: string }} Place */

/** Handles a call of `initialize(key, target, options)`. @param {Node} call @param {Place} place */
function optionsOfCall(call, place) {
  const [, target, options] = call.arguments;
  if (call.arguments.slice(0, 3).some(({ type }) => type === "SpreadElement")) return unseen(call, "initialize", place);
  if (options) return checkOptions(options, "initialize", place);
  addOptions(call, target.end, (urls) => `, { ${urls} }`, "initialize", place);
}

/** Handles an element `<FFContextProvider options={…}>`. @param {Node} element @param {Place} place */
function optionsOfElement(element, place) {
  const given = element.attributes.find((/** @type {Node} */ attribute) => attribute.type === "JSXAttribute" && nameOf(attribute.name) === "options");
  if (given?.value?.type === "JSXExpressionContainer") return checkOptions(given.value.expression, "FFContextProvider", place);
  if (given || element.attributes.some(({ type }) => type === "JSXSpreadAttribute")) return unseen(element, "FFContextProvider", place);
  addOptions(element, (element.typeParameters ?? element.typeArguments ?? element.name).end, (urls) => ` options={{ ${urls} }}`, "FFContextProvider", place);
}

/** @param {Node} node @param {string} what @param {Place} place */
function unseen(node, what, { found }) {
  found.left.push({ at: node.start, what: `see that the options of this ${what} have your server's baseUrl and eventUrl` });
}

/**
 * @param {Node} node the call or element without options
 * @param {number} at where the options belong
 * @param {(urls: string) => string} written
 * @param {string} what
 * @param {Place} place
 */
function addOptions(node, at, written, what, { found, baseUrl, url }) {
  if (baseUrl === undefined) found.left.push({ at: node.start, what: `this ${what} has no baseUrl, so it talks to Harness; give --base-url, or add baseUrl and eventUrl` });
  else found.edits.push({ start: at, end: at, text: written(`baseUrl: ${url}, eventUrl: ${url}`), what: `${what}: baseUrl and eventUrl ${baseUrl}` });
}

/** @param {Node} options @param {string} what @param {Place} place */
function checkOptions(options, what, place) {
  const plain = options.type.startsWith("TS") ? options.expression : options;
  const object = plain.type === "Identifier" ? (place.names.objects.get(plain.name) ?? plain) : plain;
  if (object.type !== "ObjectExpression") return unseen(options, what, place);
  const has = (/** @type {string} */ name) => object.properties.some((/** @type {Node} */ property) => nameOf(property.key) === name);
  const missing = ["baseUrl", "eventUrl"].filter((name) => !has(name));
  if (missing.length && object.properties.some(({ type }) => type === "SpreadElement")) return unseen(options, what, place);
  const { found, baseUrl, url, script, eol } = place;
  // Another call with the same object may have added them already.
  if (!missing.length || found.edits.some(({ start }) => start === object.start + 1)) return;
  if (baseUrl === undefined) {
    const says = missing.includes("baseUrl") ? `this ${what} has no baseUrl, so it talks to Harness` : `this ${what} has no eventUrl, so it posts counts to Harness`;
    return void found.left.push({ at: options.start, what: `${says}; give --base-url, or add ${missing.join(" and ")}` });
  }
  const space = /^\s*/.exec(script.slice(object.start + 1))?.[0] ?? "";
  const indent = /\n([ \t]*)$/.exec(space)?.[1];
  const urls = missing.map((name) => `${name}: ${url}`);
  const empty = !object.properties.length;
  const text = indent !== undefined && !empty ? urls.map((one) => `${eol}${indent}${one},`).join("") : ` ${urls.join(", ")}${empty ? (space ? "" : " ") : ","}${space || empty ? "" : " "}`;
  found.edits.push({ start: object.start + 1, end: object.start + 1, text, what: `${what}: ${missing.join(" and ")} ${baseUrl}` });
}
