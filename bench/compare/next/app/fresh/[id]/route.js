import { body, headers } from "../../../body.js";

export const revalidate = 600;

export function generateStaticParams() {
  return [];
}

export function GET() {
  return new Response(body, { headers });
}
