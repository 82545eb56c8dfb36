import { z } from 'zod'
import { auditPageSchema } from '../answers/audit.ts'
import { systemInfoSchema } from '../answers/system.ts'
import { meSchema } from '../answers/user.ts'
import { pageQuery } from './parameters.ts'
import { route, V1 } from './route.ts'

const tag = 'System'

/** Who is signed in, what the server is doing, and what was done. */
export const systemRoutes = {
  getMe: route({
    method: 'GET',
    path: `${V1}/me`,
    tag,
    role: 'viewer',
    summary: 'Who is signed in',
    answer: meSchema,
  }),
  getSystem: route({
    method: 'GET',
    path: `${V1}/system`,
    tag,
    role: 'viewer',
    summary: 'How the control room itself is doing',
    answer: systemInfoSchema,
  }),
  listAudit: route({
    method: 'GET',
    path: `${V1}/audit`,
    tag,
    role: 'viewer',
    summary: 'What operators did, newest first',
    query: pageQuery,
    answer: auditPageSchema,
  }),
  getOpenApi: route({
    method: 'GET',
    path: `${V1}/openapi.json`,
    tag,
    role: 'viewer',
    summary: 'This document',
    answer: z.record(z.string(), z.unknown()),
  }),
}
