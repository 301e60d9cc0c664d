import { act, createElement } from "react";
import { createRoot } from "react-dom/client";
import { expect, test, vi } from "vitest";
import { useFeatureFlagsClient } from "@harnessio/ff-react-client-sdk";
import { TestWrapper } from "@harnessio/ff-react-client-sdk/dist/esm/test-utils";
import { App } from "./App";
import { HELP, lazily, start } from "./flags";

vi.mock("@harnessio/ff-react-client-sdk", async () => {
  const actual = await vi.importActual<typeof import("@harnessio/ff-react-client-sdk")>("@harnessio/ff-react-client-sdk");
  return { ...actual, useFeatureFlag: () => true };
});
vi.mock("@harnessio/ff-javascript-client-sdk", async (original) => ({ ...(await original<typeof import("@harnessio/ff-javascript-client-sdk")>()), mocked: true }));

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
const target = { identifier: "user-42", attributes: { plan: "gold" } };
const baseUrl = process.env["SERVER"] ?? "";
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test("the page shows its flags", async () => {
  const place = document.body.appendChild(document.createElement("div"));
  const root = createRoot(place);
  await act(async () => root.render(createElement(App, { apiKey: "flagwire-dev-client-key", target, options: { baseUrl, eventUrl: baseUrl, logger: quiet } })));
  while (!place.querySelector("main")) await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
  expect(place.textContent).toContain("classic  theme: classic 4");
  expect(place.querySelector("main")?.dataset).toMatchObject({ dark: "true", client: "true" });
  await act(async () => root.unmount());
}, 60_000);

test("so does a page without React", async () => {
  expect(await lazily()).toBe("ready");
  expect(HELP).toMatch(/^Flags come from/);
  const client = start(target, baseUrl, quiet);
  const flags = await new Promise((resolve) => client.on("ready" as never, resolve as never));
  expect(flags).toMatchObject({ theme: "classic" });
  client.close();
}, 60_000);

test("components are tested without a client", async () => {
  let variation: unknown;
  const Name = () => <b>{String((variation = useFeatureFlagsClient()?.variation) && useFeatureFlagsClient()?.variation("name", "nobody"))}</b>;
  const place = document.body.appendChild(document.createElement("div"));
  await act(async () => createRoot(place).render(<TestWrapper flags={{ name: "Ada" }}><Name /></TestWrapper>));
  expect(place.textContent).toBe("Ada");
  expect(variation).toHaveBeenCalledWith("name", "nobody");
});
