// A camera in front of the screen: it reads QR codes.

import jsQR from "jsqr";
import type { Locator, Page } from "playwright-core";

/** What a camera reads from an element. */
export async function scanned(page: Page, element: Locator): Promise<string | undefined> {
  const png = (await element.screenshot()).toString("base64");
  const pixels: { data: number[]; width: number; height: number } = await page.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob("${png}"), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const { width, height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    return { data: [...canvas.getImageData(0, 0, width, height).data], width, height };
  })()`);
  return jsQR.default(Uint8ClampedArray.from(pixels.data), pixels.width, pixels.height)?.data;
}
