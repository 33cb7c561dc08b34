/** What this page uses of noVNC, which comes without types. */
declare module "@novnc/novnc" {
  interface RfbEvents {
    connect: CustomEvent;
    disconnect: CustomEvent<{ readonly clean: boolean }>;
    credentialsrequired: CustomEvent;
  }

  export default class RFB {
    constructor(target: HTMLElement, address: string, options?: { readonly shared?: boolean });
    scaleViewport: boolean;
    viewOnly: boolean;
    background: string;
    addEventListener<K extends keyof RfbEvents>(event: K, listener: (event: RfbEvents[K]) => void): void;
    focus(options?: FocusOptions): void;
    blur(): void;
    disconnect(): void;
  }
}
