// The reference of commands, docs/reference/commands.md: what each prints as its help.

/** The commands, by program. */
export const COMMANDS = {
  "npx flagwire": ["types", "check", "migrate"],
  "flagwire-server": ["check", "schema", "import", "export"],
};

/** What a command is for. @type {Record<string, string>} */
const SEE = {
  "npx flagwire types": "[Your flags as types](../guides/frameworks.md#your-flags-as-types) shows it at work.",
  "npx flagwire migrate": "[Pages written for Harness's SDKs](../guides/harness.md#let-a-command-rewrite-the-imports) shows it at work.",
  "flagwire-server import": "[Coming from Harness](../guides/coming-from-harness.md) has the whole way.",
  "flagwire-server": "Without a command it serves flags. All options, with their variables and defaults: [the table](../OPERATIONS.md#configuration).",
};

/** @param {(program: string, command: string) => Promise<string>} helpOf prints a command's help @returns {Promise<string>} the whole page */
export async function commandsPage(helpOf) {
  let page = `# Commands

<!-- Made of the programs' own help by a test: \`UPDATE_DOCS=1 npm test -- site\`. -->

\`npx flagwire\` comes with the npm package. \`flagwire-server\` is the server's program. Both exit with 0 if they did what you asked for,
and with 1 otherwise.
`;
  for (const [program, commands] of Object.entries(COMMANDS)) {
    page += `\n## \`${program}\`\n${SEE[program] ? `\n${SEE[program]}\n` : ""}`;
    for (const command of commands) {
      const name = `${program} ${command}`;
      const help = (await helpOf(program, command)).split("\n").map((line) => line.trimEnd()).join("\n").trim();
      page += `\n### \`${name}\`\n${SEE[name] ? `\n${SEE[name]}\n` : ""}\n\`\`\`text\n${help}\n\`\`\`\n`;
    }
  }
  return page;
}
