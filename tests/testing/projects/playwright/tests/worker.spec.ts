import { expect, test } from "flagwire/testing/playwright";

// Led to the server of the worker, with a stream that the browser itself holds.
test.use({ flagwireUrl: "http://flags.test/api", initialFlags: { "show-banner": false } });

for (const name of ["one", "two", "three", "four"]) {
  test(`${name} of several at once has flags of its own`, async ({ page, flags }, { workerIndex }) => {
    await page.goto(`/?base=http://flags.test/api&user=${name}`);
    await expect(page.getByText("No sale")).toBeVisible();
    if (workerIndex % 2 === 0) await flags.set({ "show-banner": true });
    await expect(page.getByText(workerIndex % 2 === 0 ? "Big sale" : "No sale")).toBeVisible();
    expect(flags.targets).toEqual([{ identifier: name }]);
    await flags.remove("show-banner");
    await expect(page.getByText("No sale")).toBeVisible();
  });
}

test("the server's own address serves pages without any routes", async ({ page, flags }) => {
  await page.goto(`/?base=${flags.url}`);
  await expect(page.getByText("No sale")).toBeVisible();
  await flags.set("show-banner", true);
  await expect(page.getByText("Big sale")).toBeVisible();
});

test("a flag that the test does not have is refused, with the nearest name", async ({ flags }) => {
  await expect(flags.set("show-baner", true)).rejects.toThrow('do you mean "show-banner"?');
});
