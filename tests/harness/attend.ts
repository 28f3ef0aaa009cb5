// Devices that stay: connected again after every loss, as their firmware would, until they are told to leave.

import { setTimeout as sleep } from "node:timers/promises";

import type { Device } from "./device.ts";
import type { Frame } from "./protocol.ts";
import type { Socket } from "./socket.ts";

/** Ends it, and waits until it has. */
export type Leave = () => Promise<void>;

/** Keeps a device connected; `onFrame` gets what comes, with the socket and the time at which that was opened. */
export function attend(device: Device, onFrame: (frame: Frame, socket: Socket, since: number) => void): Leave {
  return repeat(async (stays) => {
    const since = performance.now();
    const socket = await device.open();
    while (stays() && socket.isOpen) {
      const frame = await socket.next(() => true, 200).catch(() => undefined);
      if (frame) onFrame(frame, socket, since);
    }
    socket.terminate();
  });
}

/** Keeps a device polling; `onMessages` gets what comes, with the time at which it was asked for. */
export function attendPolling(device: Device, onMessages: (messages: Frame[], since: number) => Promise<void>): Leave {
  return repeat(async () => {
    const since = performance.now();
    await onMessages(await device.inbox({ wait: 1 }), since);
  });
}

function repeat(act: (stays: () => boolean) => Promise<void>): Leave {
  let stays = true;
  const run = async () => {
    while (stays) {
      // While the service is away, everything fails: that is what it is for.
      await act(() => stays).catch(() => sleep(50));
    }
  };
  const running = run();
  return () => {
    stays = false;
    return running;
  };
}
