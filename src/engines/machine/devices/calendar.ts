/** The calendar inside an MC146818 and its registers' encodings (data sheet: "Time, Calendar, and Alarm Locations"). */

export interface CalendarTime {
  second: number;
  minute: number;
  /** 0 to 23 */
  hour: number;
  /** 1 Sunday to 7 Saturday */
  weekday: number;
  /** 1 to 31 */
  day: number;
  /** 1 to 12 */
  month: number;
  /** With the century. */
  year: number;
}

/** @param seconds since 1970-01-01 00:00:00, no leap seconds */
export function fromUnixTime(seconds: number): CalendarTime {
  const date = new Date(Math.floor(seconds) * 1000);
  return {
    second: date.getUTCSeconds(),
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    weekday: date.getUTCDay() + 1,
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    year: date.getUTCFullYear(),
  };
}

/** The chip knows no exception for centuries: every fourth year is a leap year (1900 and 2100 lie outside its life). */
const daysIn = (month: number, year: number): number =>
  [31, year % 4 === 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 31;

export function nextSecond(time: CalendarTime): void {
  if (++time.second < 60) return;
  time.second = 0;
  if (++time.minute < 60) return;
  time.minute = 0;
  if (++time.hour < 24) return;
  time.hour = 0;
  time.weekday = (time.weekday % 7) + 1;
  if (++time.day <= daysIn(time.month, time.year)) return;
  time.day = 1;
  if (++time.month <= 12) return;
  time.month = 1;
  time.year++;
}

const BINARY = 0x04;
const HOURS_24 = 0x02;
const PM = 0x80;

const encode = (value: number, b: number): number => (b & BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10));
const decode = (value: number, b: number): number => (b & BINARY ? value : (value >>> 4) * 10 + (value & 15));

const encodeHour = (hour: number, b: number): number =>
  b & HOURS_24 ? encode(hour, b) : encode(hour % 12 || 12, b) | (hour >= 12 ? PM : 0);

function decodeHour(value: number, b: number): number {
  if (b & HOURS_24) return decode(value, b);
  return (decode(value & ~PM, b) % 12) + (value & PM ? 12 : 0);
}

const fields: Readonly<
  Record<number, readonly [get: (time: CalendarTime, b: number) => number, set: (time: CalendarTime, b: number, value: number) => void]>
> = {
  0x00: [(t, b) => encode(t.second, b), (t, b, v) => void (t.second = decode(v, b))],
  0x02: [(t, b) => encode(t.minute, b), (t, b, v) => void (t.minute = decode(v, b))],
  0x04: [(t, b) => encodeHour(t.hour, b), (t, b, v) => void (t.hour = decodeHour(v, b))],
  0x06: [(t, b) => encode(t.weekday, b), (t, b, v) => void (t.weekday = decode(v, b))],
  0x07: [(t, b) => encode(t.day, b), (t, b, v) => void (t.day = decode(v, b))],
  0x08: [(t, b) => encode(t.month, b), (t, b, v) => void (t.month = decode(v, b))],
  0x09: [(t, b) => encode(t.year % 100, b), (t, b, v) => void (t.year = t.year - (t.year % 100) + (decode(v, b) % 100))],
  0x32: [(t, b) => encode(Math.floor(t.year / 100), b), (t, b, v) => void (t.year = decode(v, b) * 100 + (t.year % 100))],
  0x37: [(t, b) => encode(Math.floor(t.year / 100), b), (t, b, v) => void (t.year = decode(v, b) * 100 + (t.year % 100))],
};

/** The registers that hold the time; 0x37 is the PS/2's place for the century. */
export const TIME_INDEXES: readonly number[] = Object.keys(fields).map(Number);

/** A time register's value under register B's data mode; undefined for other indexes. */
export const readField = (time: CalendarTime, index: number, b: number): number | undefined => fields[index]?.[0](time, b);

export function writeField(time: CalendarTime, index: number, b: number, value: number): void {
  fields[index]?.[1](time, b, value);
}

/** Whether the alarm registers match; 0xc0 to 0xff in one of them matches all. */
export function alarmMatches(time: CalendarTime, ram: readonly number[]): boolean {
  const b = ram[0x0b];
  const matches = (alarm: number, index: number): boolean => alarm >= 0xc0 || alarm === readField(time, index, b);
  return matches(ram[1], 0x00) && matches(ram[3], 0x02) && matches(ram[5], 0x04);
}
