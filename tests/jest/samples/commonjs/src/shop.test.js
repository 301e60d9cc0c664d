/** @jest-environment jsdom */
const { act, createElement: h } = require("react");
const { createRoot } = require("react-dom/client");
const { TestWrapper } = require("@harnessio/ff-react-client-sdk/dist/cjs/test-utils/TestWrapper");

jest.mock("@harnessio/ff-react-client-sdk", () => ({ ...jest.requireActual("@harnessio/ff-react-client-sdk"), mocked: true }));
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

test("the shop is dark where its flag says so", async () => {
  const { CHANGED, Shop, text, pattern } = require("./shop.js");
  expect([CHANGED, pattern.test(text)]).toEqual(["changed", true]);
  expect(require("@harnessio/ff-react-client-sdk").mocked).toBe(true);
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  await act(async () => root.render(h(TestWrapper, { flags: { dark: true, name: "Ada" } }, h(Shop))));
  expect(document.body.textContent).toBe("dark Ada false");
});
