export const wheel = 1
