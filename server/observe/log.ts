import { type Logger, pino } from 'pino'

export type Log = Logger

/**
 * The process's log: one JSON object a line on stderr, so that stdout stays free for `--json` answers. JSON escapes control
 * characters; names that hold secrets are redacted wherever they stand.
 */
export const createLog = (room: string, level: string = process.env.LOG_LEVEL ?? 'info'): Log =>
  pino(
    {
      level: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].includes(level) ? level : 'info',
      base: { room },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['token', 'password', 'authorization', '*.token', '*.password', '*.authorization'],
        censor: '[redacted]',
      },
    },
    pino.destination({ fd: 2, sync: true }),
  )
