// jsdom with Node's fetch, which it lacks, as projects commonly add it. Nothing else: its AbortController is jsdom's, and there is no TextEncoder.

const { TestEnvironment } = require("jest-environment-jsdom");

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    Object.assign(this.global, { fetch, Response, Headers });
  }
};
