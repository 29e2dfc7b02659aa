// What a path answers; null if nobody does, it is refused, or the answer breaks off midway: who asks does so again later.
export async function ask(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
