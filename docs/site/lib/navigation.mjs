// The site's navigation, for four readers: who builds a front end, who comes from another service, who runs the server, who contributes.

const START = [
  { text: "Your first flag", link: "/guides/getting-started" },
  { text: "Playground", link: "/playground" },
  { text: "Pictures", link: "/pictures" },
];
const PAGES = [
  { text: "React", link: "/guides/react" },
  { text: "Vue", link: "/guides/vue" },
  { text: "Svelte", link: "/guides/svelte" },
  { text: "Next", link: "/guides/next" },
  { text: "SvelteKit", link: "/guides/sveltekit" },
  { text: "Plain pages", link: "/guides/plain-pages" },
  { text: "Server rendering", link: "/guides/server-rendering" },
  { text: "Workers, extensions, Node, edge", link: "/guides/runtimes" },
  { text: "Rust", link: "/guides/rust" },
  { text: "Your flags as types", link: "/guides/frameworks" },
];
const WORK = [
  { text: "Recipes", link: "/guides/recipes" },
  { text: "Testing", link: "/guides/testing" },
  { text: "Overrides in your browser", link: "/guides/devtools" },
  { text: "Troubleshooting", link: "/guides/troubleshooting" },
  { text: "OpenFeature", link: "/guides/openfeature" },
  { text: "Base URLs of your own", link: "/guides/base-urls" },
  { text: "Headers and middleware", link: "/guides/headers-and-middleware" },
  { text: "Credentials and cookies", link: "/guides/credentials" },
  { text: "Native EventSource, or fetch", link: "/guides/native-eventsource" },
  { text: "Proxies and ad blockers", link: "/guides/proxies-and-ad-blockers" },
];
const MOVE = [
  { text: "Coming from Harness", link: "/guides/coming-from-harness" },
  { text: "Pages written for Harness's SDKs", link: "/guides/harness" },
  { text: "Back ends and mobile apps", link: "/guides/server-sdks" },
  { text: "LaunchDarkly, Unleash, Flagsmith, OpenFeature", link: "/guides/coming-from-other-sdks" },
];
const OPERATE = [
  { text: "The server", link: "/SERVER" },
  { text: "Operating it", link: "/OPERATIONS" },
  { text: "What is promised under which fault", link: "/RELIABILITY" },
];
const REFERENCE = [
  { text: "The client (API)", link: "/reference/api/" },
  { text: "All entries (API)", link: "/reference/api/modules" },
  { text: "Options, states and events", link: "/reference/client" },
  { text: "The flags file, key by key", link: "/reference/flags-file" },
  { text: "Commands", link: "/reference/commands" },
  { text: "Errors and warnings", link: "/ERRORS" },
  { text: "Entries and what they cost", link: "/COMPARISON" },
];
const CONTRIBUTE = [{ text: "How it works and why", link: "/ARCHITECTURE" }];

/** @type {import("vitepress").DefaultTheme.NavItem[]} */
export const nav = [
  { text: "Front end", items: [...START, ...PAGES, ...WORK] },
  { text: "Moving here", items: MOVE },
  { text: "Operator", items: OPERATE },
  { text: "Reference", items: REFERENCE },
  { text: "Contributor", items: CONTRIBUTE },
];

/** @type {import("vitepress").DefaultTheme.SidebarItem[]} */
export const sidebar = [
  { text: "Start", items: START },
  { text: "In your application", items: PAGES },
  { text: "Everyday work", items: WORK },
  { text: "Moving here", items: MOVE, collapsed: false },
  { text: "Operator", items: OPERATE, collapsed: false },
  { text: "Reference", items: REFERENCE, collapsed: false },
  { text: "Contributor", items: CONTRIBUTE, collapsed: false },
];

/** The pages that the navigation leads to. */
export const linked = new Set(sidebar.flatMap(({ items = [] }) => items.map(({ link = "" }) => link)));
