import { revalidatePath } from "next/cache";

export async function POST(_, { params }) {
  revalidatePath(`/fresh/${(await params).id}`);
  return Response.json({ done: true });
}
