import { readFileSync } from "node:fs";

export const body = readFileSync(process.env.BENCH_BODY, "utf8");
export const headers = { "content-type": "application/json", "x-one": "1", "x-two": "2" };
