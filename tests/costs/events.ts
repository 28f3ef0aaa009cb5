// The ways of an operator's event. What it is about is counted with it.

import type { Device, Relay } from "../harness/index.ts";

/** The tag to which events are published. */
export const EVENTS_TAG = "ops";

/** A prepared way: `once` does it one time, and ends when the event is delivered. */
export type Event = () => Promise<unknown>;

export const EVENTS: Record<string, (relay: Relay) => Promise<Event>> = {
  "a delivery that fails, and the event that says so to a connected device": async (relay) => {
    const [sender, receiver, listener] = (await relay.devices(3)) as [Device, Device, Device];
    await relay.bind(EVENTS_TAG, listener);
    const socket = await listener.connect();
    socket.answer();
    return async () => {
      const { id } = (await sender.publish({ device: receiver.name }, {}, { ttl: 0 })).is(200);
      await socket.next(({ type, payload }) => type === "message" && payload.data.id === id);
    };
  },
};
