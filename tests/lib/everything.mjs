// What long tests leave out, so that `npm test` stays short enough to be repeated.

/** Whether everything is to be tested: `npm test -- all`, or `FLAGWIRE_TESTS=all` before any other command. */
export const everything = process.env.FLAGWIRE_TESTS === "all";
