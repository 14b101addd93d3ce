import { ApiError } from "@openoutcry/client";
import { expect, it } from "vitest";
import { Asked } from "../src/state/asked.ts";

it("keeps what was known when it cannot be asked, and says why", async () => {
  let answer: () => Promise<number> = async () => 1;
  const asked = new Asked(() => answer());
  await asked.load();
  answer = async () => {
    throw new ApiError("http", "The store does not answer.", 503);
  };
  await asked.load();
  expect([asked.value.value, asked.problem.value]).toEqual([1, "The store does not answer."]);
  answer = async () => 2;
  await asked.load();
  expect([asked.value.value, asked.problem.value]).toEqual([2, null]);
});

it("takes the answer to the newest question only, and none after its end", async () => {
  const answers: ((value: number) => void)[] = [];
  const asked = new Asked(() => new Promise<number>((resolve) => answers.push(resolve)));
  const [first, second] = [asked.load(), asked.load()];
  answers[1]?.(2);
  answers[0]?.(1);
  await Promise.all([first, second]);
  expect(asked.value.value).toBe(2);
  const third = asked.load();
  asked.stop();
  answers[2]?.(3);
  await third;
  await asked.load();
  expect([asked.value.value, answers.length]).toEqual([2, 3]);
});
