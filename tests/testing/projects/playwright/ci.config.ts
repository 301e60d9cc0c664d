import config from "./playwright.config";

// The browser that is installed; two workers, so that tests run beside each other.
export default { ...config, workers: 2, timeout: 120_000, expect: { timeout: 60_000 }, use: { ...config.use, launchOptions: { executablePath: process.env.BROWSER_PATH!, args: process.env.BROWSER_ARGS!.split(" ") } } };
