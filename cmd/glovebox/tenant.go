package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

func newTenantCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenant",
		Short: "Say who may have scripts run by a server, and how many",
		Long: `A tenant is a party that has scripts run by glovebox serve, with keys of its own (glovebox key) and within its quota. As soon as
there is one, a server with this data directory asks everybody for a key. It sees no other's executions. A server that is running
heeds what is changed here with the next request.`,
		Args: noVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTenantCreateCommand(), newTenantListCommand(), newTenantShowCommand(), newTenantSetCommand(), newTenantDeleteCommand(), newWebhookCommand())
	return cmd
}

// tenantFlags are what create and set have in common.
type tenantFlags struct {
	data     dataFlags
	quota    quotaFlags
	keepData bool
	asJSON   bool
}

func (f *tenantFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.quota.register(flags)
	flags.BoolVar(&f.keepData, "keep-data", false, "keep the code, data and results of its executions, and the tasks, steps and outcomes of its runs of agents; else digests alone")
	flags.BoolVar(&f.asJSON, "json", false, "print the tenant as JSON")
	f.data.register(flags)
}

// change makes of a tenant what the flags that were given say.
func (f *tenantFlags) change(cmd *cobra.Command, t *tenant.Tenant) error {
	if cmd.Flags().Changed("keep-data") {
		t.KeepData = f.keepData
	}
	if err := f.quota.change(cmd.Flags(), &t.Quota); err != nil {
		return err
	}
	return quotaError(t.Validate())
}

func newTenantCreateCommand() *cobra.Command {
	var f tenantFlags
	cmd := &cobra.Command{
		Use:   "create ID",
		Short: "Make a tenant",
		Long: `Makes a tenant, whose id is 1 to 63 of a to z, 0 to 9 and hyphens, beginning with a letter. What is not bounded by a flag is
bounded by the server alone.`,
		Example: `  glovebox tenant create acme --concurrency 4 --cpu-seconds-per-day 3600
  glovebox key create acme`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			made := tenant.Tenant{ID: args[0], CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
			if err := f.change(cmd, &made); err != nil {
				return err
			}
			return f.data.withStore(cmd, true, func(ctx context.Context, s store.Store) error {
				if err := s.CreateTenant(ctx, made); err != nil {
					return err
				}
				return f.tell(cmd, made)
			})
		},
	}
	f.register(cmd)
	return cmd
}

func newTenantSetCommand() *cobra.Command {
	var f tenantFlags
	var suspended bool
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Change a tenant",
		Long: `Changes what the flags say and nothing else. --suspended lets none of the tenant's keys open anything until --suspended=false; what
goes on for it, scripts and runs of agents alike, and what was accepted and waits, ends as CANCELLED, on a running server within two seconds.`,
		Example: `  glovebox tenant set acme --concurrency 8 --languages typescript
  glovebox tenant set acme --suspended`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var given int
			for _, name := range append(f.quota.names(), "keep-data", "suspended") {
				if cmd.Flags().Changed(name) {
					given++
				}
			}
			if given == 0 {
				return usageError("there is nothing to change: say what, as in --concurrency 8")
			}
			return f.data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				changed, err := s.ChangeTenant(ctx, args[0], func(t *tenant.Tenant) error {
					if cmd.Flags().Changed("suspended") {
						t.Suspended = suspended
					}
					return f.change(cmd, t)
				})
				if err != nil {
					return err
				}
				return f.tell(cmd, changed)
			})
		},
	}
	cmd.Flags().BoolVar(&suspended, "suspended", false, "let none of its keys open anything")
	f.register(cmd)
	return cmd
}

// tell prints a tenant as it is now.
func (f *tenantFlags) tell(cmd *cobra.Command, t tenant.Tenant) error {
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), t)
	}
	return printTable(cmd.OutOrStdout(), tenantRows(t))
}

func tenantRows(t tenant.Tenant) [][]string {
	state := "active"
	if t.Suspended {
		state = "suspended"
	}
	keeps := "digests of code and data"
	if t.KeepData {
		keeps = "code and data"
	}
	rows := [][]string{{"tenant", t.ID}, {"state", state}, {"created", timeText(t.CreatedAt, "unknown")}, {"keeps", keeps}}
	return append(rows, quotaRows(t.Quota)...)
}

func newTenantListCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tenants",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				tenants, err := s.Tenants(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), append([]tenant.Tenant{}, tenants...))
				}
				if len(tenants) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "there is no tenant: glovebox tenant create makes one")
					return outputError(err)
				}
				rows := [][]string{{"TENANT", "STATE", "CREATED", "QUOTA"}}
				for _, t := range tenants {
					state := tenantRows(t)
					rows = append(rows, []string{t.ID, state[1][1], state[2][1], quotaText(t.Quota)})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of tenants as JSON")
	data.register(cmd.Flags())
	return cmd
}

func newTenantShowCommand() *cobra.Command {
	var f tenantFlags
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a tenant and its quota",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				t, err := s.Tenant(ctx, args[0])
				if err != nil {
					return err
				}
				return f.tell(cmd, t)
			})
		},
	}
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the tenant as JSON")
	f.data.register(cmd.Flags())
	return cmd
}

func newTenantDeleteCommand() *cobra.Command {
	var data dataFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a tenant and everything that is its own",
		Long: `Deletes a tenant and everything that is its own, for good: its quota, its keys, its webhook with what that has not delivered, and its
executions and runs of agents with their results; what goes on for it ends, on a running server within two seconds. The ledger keeps its entries. To shut a tenant out and keep all that, see
glovebox tenant set --suspended.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				what, err := ownText(ctx, s, args[0])
				if err != nil {
					return err
				}
				if !yes {
					return usageError("this would delete %s, for good: add --yes to do so", what)
				}
				if err := s.DeleteTenant(ctx, args[0]); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "deleted", what)
				return outputError(err)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it; without this, what would go is told")
	data.register(cmd.Flags())
	return cmd
}

// ownText names a tenant and all that goes with it.
func ownText(ctx context.Context, s store.Store, id string) (string, error) {
	keys, err := s.Keys(ctx, id)
	if err != nil {
		return "", err
	}
	webhook := ", its webhook"
	if _, err := s.Webhook(ctx, id); errors.Is(err, store.ErrNotFound) {
		webhook = ""
	} else if err != nil {
		return "", err
	}
	return fmt.Sprintf("tenant %s, its quota, its %s%s, and all its executions and runs with their results", id, countText(len(keys), "key"), webhook), nil
}

// countText counts something whose plural takes an s.
func countText(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
