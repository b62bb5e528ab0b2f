import { body } from "../../body.js";

export const dynamic = "force-dynamic";
const data = JSON.parse(body);

export async function GET() {
  return Response.json(data);
}
