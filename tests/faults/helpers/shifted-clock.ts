/** For `node --import`: the wall clock of this process is off by CLOCK_SHIFT_MS. What it measures times with goes on as it does. */
const shiftMs = Number(process.env.CLOCK_SHIFT_MS)
if (!Number.isFinite(shiftMs)) throw new Error('CLOCK_SHIFT_MS must be a number of milliseconds')
const RealDate = Date

class ShiftedDate extends RealDate {
  constructor(...args: [] | [number | string | Date]) {
    if (args.length === 0) super(RealDate.now() + shiftMs)
    else super(...args)
  }

  static override now(): number {
    return RealDate.now() + shiftMs
  }
}
globalThis.Date = ShiftedDate as DateConstructor
