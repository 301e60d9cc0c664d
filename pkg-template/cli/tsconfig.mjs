// Finds the files that a project's tsconfig.json includes, and so the place where TypeScript sees a file of types.
//
// Source: https://www.typescriptlang.org/tsconfig/#include, #exclude, #files, #extends and #references.

import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { Mistake, messageOf } from "./mistake.mjs";

/**
 * @typedef {object} Config one tsconfig.json
 * @property {string} file
 * @property {boolean} ownsFiles whether it compiles anything itself, and does not only refer to others
 * @property {string[]} files absolute, as are the patterns
 * @property {string[]} include
 * @property {string[]} exclude
 *
 * @typedef {object} Project
 * @property {Config[]} configs the project's own tsconfig.json, and those that it refers to
 * @property {(path: string) => boolean} includes whether any of them includes a `.d.ts`
 * @property {(name: string) => string} placeOf where to put a `.d.ts` of that name; next to the tsconfig.json if nothing is included
 */

/** Matches a pattern that names a folder, because it has neither wildcards nor an extension. */
const FOLDER = /^[^.*?]+$/;
/** The folders that `**` never matches. */
const NO_SOURCES = "(?!(?:node_modules|bower_components|jspm_packages)(?:/|$))";

/**
 * Finds the tsconfig.json of a folder or of the next one above it.
 *
 * @param {string} folder
 * @returns {Project | undefined}
 */
export function findProject(folder) {
  for (const name of ["tsconfig.json", "jsconfig.json"]) {
    const file = join(folder, name);
    if (existsSync(file)) return project(file);
  }
  return dirname(folder) === folder ? undefined : findProject(dirname(folder));
}

/**
 * @param {string} root
 * @returns {Project}
 */
function project(root) {
  /** @type {Map<string, Config>} */
  const found = new Map();
  collect(root, found);
  const configs = [...found.values()];
  const includes = (/** @type {string} */ path) => configs.some((config) => reaches(config, slashed(path)));
  const placeOf = (/** @type {string} */ name) => {
    // Configurations of sources come before those of tests and scripts.
    const folders = configs.flatMap(({ include }) => include.map(baseOf)).sort((one, other) => rank(one) - rank(other));
    const places = [dirname(slashed(root)), ...folders].map((folder) => `${folder}/${name}`).filter(includes);
    return resolve(places.find((place) => existsSync(place)) ?? places[0] ?? join(dirname(root), name));
  };
  return { configs, includes, placeOf };
}

/** @param {string} folder */
function rank(folder) {
  return /^(src|app|source|lib)$/.test(basename(folder)) ? 0 : 1;
}

/** @param {string} file @param {Map<string, Config>} found */
function collect(file, found) {
  if (found.has(file)) return;
  const { files, include, exclude, references, outDir } = read(file, []);
  const folder = slashed(dirname(file));
  // Without `files` and `include` a configuration includes everything below its folder.
  const all = files || include ? (include ?? []) : [`${folder}/**/*`];
  const defaults = ["node_modules", "bower_components", "jspm_packages"].map((name) => `${folder}/${name}`);
  found.set(file, { file, ownsFiles: all.length > 0 || !!files?.length, files: files ?? [], include: all, exclude: exclude ?? [...defaults, ...outDir] });
  for (const path of references) {
    const target = resolve(dirname(file), path);
    const next = existsSync(target) && statSync(target).isDirectory() ? join(target, "tsconfig.json") : target;
    if (existsSync(next)) collect(next, found);
  }
}

/**
 * Returns what a configuration says about its files, with what it inherits, as absolute paths.
 *
 * @param {string} file
 * @param {string[]} chain the configurations that extend it
 * @returns {{ files?: string[], include?: string[], exclude?: string[], references: string[], outDir: string[] }}
 */
function read(file, chain) {
  const json = parse(file);
  const folder = dirname(file);
  // `${configDir}` is the folder of the configuration that inherits.
  const own = dirname(chain[0] ?? file);
  const absolute = (/** @type {string} */ path) => {
    const filled = path.replace("${configDir}", own);
    return slashed(isAbsolute(filled) ? filled : join(folder, filled)).replace(/\/$/, "");
  };
  const parts = (/** @type {string} */ name) => (Array.isArray(json[name]) ? { [name]: json[name].map(String).map(absolute) } : {});
  const bases = [json["extends"] ?? []].flat().map(String).flatMap((base) => {
    const path = extended(base, file);
    return path && !chain.includes(path) ? read(path, [...chain, file]) : [];
  });
  const outDir = json["compilerOptions"]?.outDir;
  return {
    ...Object.assign({}, ...bases),
    ...parts("files"),
    ...parts("include"),
    ...parts("exclude"),
    references: (json["references"] ?? []).flatMap((/** @type {any} */ reference) => (typeof reference?.path === "string" ? reference.path : [])),
    outDir: typeof outDir === "string" ? [absolute(outDir)] : (bases.findLast((base) => base.outDir.length)?.outDir ?? []),
  };
}

/**
 * Returns the file that a configuration extends: a path, or a file in a package; nothing if the package is not installed.
 *
 * @param {string} base
 * @param {string} from
 */
function extended(base, from) {
  if (base.startsWith(".") || isAbsolute(base)) {
    const path = resolve(dirname(from), base);
    return [path, `${path}.json`].find((path) => existsSync(path) && statSync(path).isFile());
  }
  const { resolve: find } = createRequire(from);
  for (const name of [base, `${base}.json`, `${base}/tsconfig.json`]) {
    try {
      const path = find(name);
      if (path.endsWith(".json")) return path;
    } catch {
      // The package has no file of this name.
    }
  }
  return undefined;
}

/**
 * Reads JSON with comments and trailing commas.
 *
 * @param {string} file
 * @returns {Record<string, any>}
 */
function parse(file) {
  const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  const plain = text.replace(/"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[^]*?\*\//g, (token) => (token.startsWith('"') ? token : " "));
  const strict = plain.replace(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g, (token) => (token === "," ? "" : token));
  try {
    return JSON.parse(strict.trim() || "{}");
  } catch (error) {
    throw new Mistake(`${file} cannot be read: ${messageOf(error)}`);
  }
}

/** @param {Config} config @param {string} path a `.d.ts` */
function reaches({ files, include, exclude }, path) {
  if (files.includes(path)) return true;
  return include.some((pattern) => matcher(pattern, true).test(path)) && !exclude.some((pattern) => matcher(pattern, false).test(path));
}

/**
 * @param {string} pattern
 * @param {boolean} including whether it is a pattern of `include`, whose wildcards skip hidden files and packages
 */
function matcher(pattern, including) {
  const last = pattern.slice(pattern.lastIndexOf("/") + 1);
  const parts = (including && FOLDER.test(last) ? `${pattern}/**/*` : pattern).split("/");
  const hidden = including ? "(?!\\.)" : "";
  const source = parts.map((part, index) => {
    const slash = index ? "/" : "";
    if (part === "**") return `(?:${slash}${including ? NO_SOURCES : ""}${hidden}[^/]+)*`;
    const text = part.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
    return `${slash}${/^[*?]/.test(part) ? hidden : ""}${text}`;
  });
  // An excluded folder excludes everything below it.
  return new RegExp(`^${source.join("")}${including ? "" : "(?:$|/)"}${including ? "$" : ""}`);
}

/** Returns the folder in which a pattern starts. @param {string} pattern */
function baseOf(pattern) {
  const parts = pattern.split("/");
  const wild = parts.findIndex((part) => /[*?]/.test(part));
  const last = parts.at(-1) ?? "";
  if (wild < 0) return FOLDER.test(last) ? pattern : parts.slice(0, -1).join("/");
  return parts.slice(0, wild).join("/");
}

/** @param {string} path */
function slashed(path) {
  return path.replaceAll("\\", "/");
}
