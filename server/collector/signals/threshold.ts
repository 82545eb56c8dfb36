import { z } from 'zod'

export interface ThresholdText {
  /** `s` for seconds, `share` for a part of 1, else what is counted: `pushes`, `polls`. */
  unit: string
  /** A few words for the table of `docs/signals.md`. */
  description: string
}

/** A field of a rule's thresholds: its range, its default, and what it means. */
export const threshold = (range: z.ZodNumber, standard: number, text: ThresholdText) =>
  range.default(standard).meta({ ...text })

/** Seconds from `least` to `most`; parts of a second are allowed. */
export const seconds = (least: number, most: number): z.ZodNumber => z.number().min(least).max(most)

/** A whole number from `least` to `most`. */
export const whole = (least: number, most: number): z.ZodNumber => z.number().int().min(least).max(most)

/** The rule's fields with default and text, in order. */
export const fieldsOf = (
  thresholds: z.ZodObject,
): { name: string; standard: number; range: z.ZodNumber; text: ThresholdText }[] =>
  Object.entries(thresholds.shape).map(([name, field]) => {
    const { unit, description } = (field as z.ZodType).meta() ?? {}
    if (!(field instanceof z.ZodDefault) || typeof unit !== 'string' || typeof description !== 'string')
      throw new Error(`the threshold ${name} has no default, unit or description; write it with threshold()`)
    const range = field.unwrap()
    if (!(range instanceof z.ZodNumber)) throw new Error(`the threshold ${name} is not a number`)
    return { name, standard: Number(field.def.defaultValue), range, text: { unit, description } }
  })
