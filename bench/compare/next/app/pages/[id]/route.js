export const dynamic = "force-static";

export function generateStaticParams() {
  return Array.from({ length: Number(process.env.BENCH_PAGES || 0) }, (_, id) => ({ id: String(id) }));
}

export async function GET(_, { params }) {
  return Response.json({ id: (await params).id, text: "still water" });
}
