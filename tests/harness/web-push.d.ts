// The parts of two libraries without types that the tests use.

declare module "web-push" {
  export interface Details {
    method: string;
    headers: Record<string, string | number>;
    body: Buffer | null;
    endpoint: string;
  }
  interface Options {
    TTL?: number;
    topic?: string;
    urgency?: string;
    contentEncoding?: "aes128gcm" | "aesgcm";
    headers?: Record<string, string>;
    vapidDetails?: { subject: string; publicKey: string; privateKey: string };
  }
  const webPush: {
    generateVAPIDKeys(): { publicKey: string; privateKey: string };
    generateRequestDetails(subscription: object, payload: string | null, options?: Options): Details;
  };
  export default webPush;
}

declare module "http_ece" {
  const ece: { decrypt(data: Buffer, options: object): Buffer };
  export default ece;
}
