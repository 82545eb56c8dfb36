import { z } from 'zod'
import { MAINTENANCE_STATES, maintenancePageSchema, maintenanceWindowSchema } from '../answers/maintenance.ts'
import { maintenanceCreateSchema } from '../maintenance.ts'
import { pageParameters, timeParameter } from './parameters.ts'
import { route, V1, withId } from './route.ts'

const tag = 'Maintenance'

/** Announced maintenance: what it covers opens no incident. */
export const maintenanceRoutes = {
  listMaintenance: route({
    method: 'GET',
    path: `${V1}/maintenance`,
    tag,
    role: 'viewer',
    summary: 'Maintenance windows, the latest beginning first',
    query: z
      .object({
        ...pageParameters,
        status: z
          .enum(MAINTENANCE_STATES, 'must be planned, active or past')
          .describe('Only windows in this state')
          .optional(),
        from: timeParameter.describe('Only windows that end after this').optional(),
        to: timeParameter.describe('Only windows that begin before this').optional(),
      })
      .strict(),
    answer: maintenancePageSchema,
  }),
  createMaintenance: route({
    method: 'POST',
    path: `${V1}/maintenance`,
    tag,
    role: 'operator',
    summary: 'Announces maintenance',
    description:
      'It covers regions, nodes or, without either, the whole fleet. While it is active, what is covered opens no incident; an incident that is open already stays open and notifies nobody. Windows may overlap.',
    body: maintenanceCreateSchema,
    answer: maintenanceWindowSchema,
    status: 201,
    errors: ['ERR_CAPACITY'],
  }),
  endMaintenance: route({
    method: 'DELETE',
    path: `${V1}/maintenance/:id`,
    tag,
    role: 'operator',
    summary: 'Ends an active window now, and removes a planned one',
    description:
      'An active one is kept as past, with the time at which it really ended. One that is past stays as it is.',
    params: withId,
    errors: ['ERR_CONFLICT'],
  }),
}
