export const title = "memory"; export async function measure(){return {}} export function report(){return "x"}
