/** What a guest's display shows at one moment: plain data that crosses to a panel. */

export interface TextScreen {
  readonly kind: 'text';
  readonly columns: number;
  readonly rows: number;
  /** Pixels of a cell: 8 or 9 wide. */
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** `columns × rows` character codes of the guest's font, row by row. */
  readonly characters: Uint8Array;
  /** The same number of attribute bytes. */
  readonly attributes: Uint8Array;
  /** Where the hardware cursor is and the scan lines that it fills; undefined when it is off or outside. */
  readonly cursor: { readonly column: number; readonly row: number; readonly first: number; readonly last: number } | undefined;
  /** Attribute bit 7 blinks; else it is the background's brightness. */
  readonly blink: boolean;
  /** The ninth column repeats the eighth for characters 0xc0 to 0xdf. */
  readonly lineGraphics: boolean;
  /** 16 colours, red, green and blue from 0 to 255 each. */
  readonly palette: Uint8Array;
  /** 256 characters of 32 bytes: a byte a scan line, the leftmost pixel in bit 7. */
  readonly font: Uint8Array;
  /** The same for characters whose attribute bit 3 is set, where the guest uses two fonts. */
  readonly secondFont: Uint8Array | undefined;
}

export interface GraphicsScreen {
  readonly kind: 'graphics';
  readonly width: number;
  readonly height: number;
  /** `width × height` indexes into the palette, row by row. */
  readonly pixels: Uint8Array;
  /** 256 colours, red, green and blue from 0 to 255 each. */
  readonly palette: Uint8Array;
}

export interface BlankScreen {
  readonly kind: 'blank';
}

export type Screen = TextScreen | GraphicsScreen | BlankScreen;
