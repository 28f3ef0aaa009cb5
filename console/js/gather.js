// What comes one by one, and is dealt with together.

/** Returns a function that takes items; `work(items)` gets those of the last `milliseconds` at once, in order. */
export function gather(work, milliseconds) {
  let items = [];
  return (item) => {
    if (items.length === 0) setTimeout(deal, milliseconds);
    items.push(item);
  };

  function deal() {
    const dealt = items;
    items = [];
    work(dealt);
  }
}
