import { z } from 'zod'

/** A TCP port; where it is listened on, 0 takes a free one. */
export const port = z.number().int().min(0).max(65_535)

/** A port as a listener takes it, with what it is for. */
export const listenPort = (what: string, example: number) =>
  port.meta({ description: `${what}; 0 takes a free one`, examples: [example] })

/** The address that a listener binds. */
export const bindHost = (whose: string, fallback: string) =>
  z
    .string()
    .default(fallback)
    .meta({ description: `Address that ${whose}`, examples: ['10.0.0.5'] })

/** A time in milliseconds. What 0 means stands in its description. */
export const spanMs = (fallback: number, description: string, example: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(2_147_483_647)
    .default(fallback)
    .meta({ description, examples: [example] })

/** A ceiling: how many there may be, at least one. */
export const ceiling = (fallback: number, description: string, example: number) =>
  z
    .number()
    .int()
    .min(1)
    .default(fallback)
    .meta({ description, examples: [example] })

/** A ceiling that is not there unless it is written down. */
export const optionalCeiling = (description: string, example: number) =>
  z
    .number()
    .int()
    .min(1)
    .optional()
    .meta({ description: `${description}. Without it: no limit`, examples: [example] })

/** Memory for what slow peers have not taken, 256 MiB unless another number of bytes is written down. */
export const bufferedBytes = (description: string) =>
  z
    .number()
    .int()
    .min(1_048_576)
    .default(268_435_456)
    .meta({ description, examples: [67_108_864] })
