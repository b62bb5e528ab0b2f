import { body } from "../body.js";

const data = JSON.parse(body);

export default defineEventHandler(() => data);
