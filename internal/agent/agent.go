// Package agent is Codesmith: it has a model write code for a task, runs that code in boxes like everyone
// else's, shows the model how it ended, and lets it mend the code until the task is done or a budget is
// spent. It knows models and boxes only by their interfaces.
package agent
