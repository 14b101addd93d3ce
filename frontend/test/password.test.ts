import { ApiError } from "@openoutcry/client";
import { expect, it } from "vitest";
import { passwordProblems, refusedPassword } from "../src/state/password.ts";

it("what can be seen to be wrong is found by field, counting characters as people do", () => {
  expect(passwordProblems({ current: "old and long", next: "new and long", again: "new and long" })).toEqual({});
  expect(passwordProblems({ current: "", next: "short", again: "shirt" })).toEqual({ current: "Needed.", next: "At least 10 characters.", again: "Not the same." });
  expect(passwordProblems({ current: "x", next: "🙂".repeat(9), again: "🙂".repeat(9) })).toHaveProperty("next");
  expect(passwordProblems({ current: "the very same", next: "the very same", again: "the very same" })).toHaveProperty("next");
});

it("a refusal stands at the field that it is about", () => {
  const refused = (status: number) => refusedPassword(new ApiError("http", "No.", status));
  expect([refused(403), refused(400), refused(429)]).toEqual([{ current: "No." }, { next: "No." }, { rest: "No." }]);
});
