// A flood: the same thing many times, some at once.

/** Does something so many times, some at once: `act` learns which time it is, and which of those at once. */
export async function repeat(
  times: number,
  atOnce: number,
  act: (n: number, one: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const each = async (one: number) => {
    while (next < times) await act(next++, one);
  };
  await Promise.all(Array.from({ length: atOnce }, (_, one) => each(one)));
}
