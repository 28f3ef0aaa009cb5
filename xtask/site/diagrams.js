// Draws the diagrams of a page of the site. A page without one does not load what draws them.

const blocks = document.querySelectorAll("code.language-mermaid");
if (blocks.length > 0) {
  const script = document.createElement("script");
  // mdBook defines where the root of the site is, relative to the page.
  script.src = `${path_to_root}mermaid.tiny.js`;
  script.addEventListener("load", () => {
    const isDark = /\b(ayu|coal|navy)\b/.test(document.documentElement.className);
    mermaid.initialize({ startOnLoad: false, theme: isDark ? "dark" : "default" });
    for (const block of blocks) {
      const diagram = document.createElement("div");
      diagram.className = "mermaid";
      diagram.textContent = block.textContent;
      block.parentElement.replaceWith(diagram);
    }
    mermaid.run();
  });
  document.head.append(script);
}
