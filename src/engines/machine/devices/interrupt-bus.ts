/**
 * What local APICs, IOAPICs and devices send each other: interrupt messages
 * (manual, "Advanced Programmable Interrupt Controller (APIC)", "Message Signalled Interrupts").
 */

/** Delivery modes of an interrupt command, a redirection entry, a local vector and an MSI. */
export const DeliveryMode = { fixed: 0, lowestPriority: 1, smi: 2, nmi: 4, init: 5, startup: 6, extInt: 7 } as const;
export type DeliveryMode = (typeof DeliveryMode)[keyof typeof DeliveryMode];

export const DELIVERY_NAMES: readonly string[] = ['fixed', 'lowest priority', 'SMI', 'reserved 3', 'NMI', 'INIT', 'start-up', 'ExtINT'];

/** Who is meant. */
export interface Destination {
  /** APIC ID, or set of logical IDs. */
  readonly id: number;
  readonly logical: boolean;
  /** Bits of `id`: 8 from an xAPIC, an IOAPIC or a device, 32 from an x2APIC. */
  readonly bits: 8 | 32;
}

export interface InterruptMessage {
  readonly mode: number;
  readonly vector: number;
  /** Level-triggered: its end is told to all IOAPICs. */
  readonly level: boolean;
}

/** A local APIC as others see it. */
export interface InterruptReceiver {
  readonly id: number;
  matches(destination: Destination): boolean;
  /** The lower, the more willing to take a lowest-priority interrupt; undefined for one that takes none. */
  readonly arbitrationPriority: number | undefined;
  /** @returns false where the message is ignored */
  accept(message: InterruptMessage): boolean;
}

/** Told when a processor ends a level-triggered interrupt. */
export interface EndListener {
  endOfInterrupt(vector: number): void;
}

/** The system bus, or the APIC bus of older machines. Messages arrive at once. */
export class InterruptBus {
  readonly receivers: InterruptReceiver[] = [];
  readonly listeners: EndListener[] = [];

  /** @returns whether any APIC took the message */
  send(destination: Destination, message: InterruptMessage): boolean {
    return this.deliver(
      this.receivers.filter((receiver) => receiver.matches(destination)),
      message,
    );
  }

  /** Lowest-priority messages go to one APIC: the one of lowest priority, of several the one with the lowest ID. */
  deliver(targets: readonly InterruptReceiver[], message: InterruptMessage): boolean {
    if (message.mode === DeliveryMode.lowestPriority) {
      let best: InterruptReceiver | undefined;
      for (const target of targets) {
        const priority = target.arbitrationPriority;
        if (priority !== undefined && (best?.arbitrationPriority === undefined || priority < best.arbitrationPriority)) best = target;
      }
      return best?.accept(message) ?? false;
    }
    let accepted = false;
    for (const target of targets) accepted = target.accept(message) || accepted;
    return accepted;
  }

  /**
   * A device's write to 0xFEExxxxx.
   * @param address its low 32 bits
   * @returns whether any APIC took it
   */
  writeMessage(address: number, data: number): boolean {
    const destination: Destination = { id: (address >>> 12) & 0xff, logical: (address & 4) !== 0, bits: 8 };
    // The redirection hint asks for one receiver.
    const hinted = (address & 8) !== 0 && ((data >>> 8) & 7) === DeliveryMode.fixed;
    const mode = hinted ? DeliveryMode.lowestPriority : (data >>> 8) & 7;
    return this.send(destination, { mode, vector: data & 0xff, level: (data & 0x8000) !== 0 });
  }

  endOfInterrupt(vector: number): void {
    for (const listener of this.listeners) listener.endOfInterrupt(vector);
  }
}
