// A flood: the same thing many times, some at once.

/** Does something `times` times, `atOnce` of them at once. `act` gets the number of the time and of its worker. */
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
