import { body, headers } from "../../body.js";

export const dynamic = "force-static";

export function GET() {
  return new Response(body, { headers });
}
