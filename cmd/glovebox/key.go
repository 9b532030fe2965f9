package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

func newKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make and revoke the keys that tenants open a server with",
		Long: `A key is what a client of glovebox serve sends with each request (Authorization: Bearer gbx_…), where there is a tenant. It is
shown once, when it is made: what is kept of it is a digest, and an id to name it by. glovebox run --server
takes it from GLOVEBOX_API_KEY.`,
		Args: noVerb,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyCreateCommand(), newKeyListCommand(), newKeyRevokeCommand())
	return cmd
}

// defaultKeyLife is how long a key opens something, where nobody says otherwise.
const defaultKeyLife = "365d"

func newKeyCreateCommand() *cobra.Command {
	var data dataFlags
	var name, expires string
	var scopes []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create TENANT",
		Short: "Make a key, and show it this once",
		Long: `Makes a key for a tenant and prints it on standard output, alone on its line, this once. No scope holds another: execute runs scripts,
actions, tools and agents; read looks at what the tenant has run; to cancel takes both; admin looks at what concerns every tenant,
such as /metrics.`,
		Example: `  glovebox key create acme --name "the web shop" > acme.key
  glovebox key create operations --scope admin --expires 2027-01-31`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			end, err := expiry(expires, now)
			if err != nil {
				return err
			}
			wanted := make([]tenant.Scope, len(scopes))
			for i, scope := range scopes {
				wanted[i] = tenant.Scope(scope)
			}
			key, text, err := tenant.NewKey(args[0], name, wanted, now, end)
			if err != nil {
				return usageError("%v", err)
			}
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				if err := s.CreateKey(ctx, key); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), struct {
						tenant.Key
						Text string `json:"key"`
					}{key, text.Reveal()})
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "key %s of %s: scopes %s, expires %s. It is shown this once:\n",
					key.ID, key.Tenant, scopesText(key.Scopes), timeText(key.ExpiresAt, "never"))
				_, err := fmt.Fprintln(cmd.OutOrStdout(), text.Reveal())
				return outputError(err)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "", "what the key is for, for people to read")
	flags.StringSliceVar(&scopes, "scope", []string{string(tenant.ScopeExecute)}, "what the key opens: execute, read, admin; repeatable")
	flags.StringVar(&expires, "expires", defaultKeyLife, "`WHEN` it ends: after a time, as in 90d or 12h, at one (2027-01-31 or RFC 3339), or never")
	flags.BoolVar(&asJSON, "json", false, "print the key and what is kept of it as JSON")
	data.register(flags)
	return cmd
}

// expiry reads when a key ends; zero is never.
func expiry(text string, now time.Time) (time.Time, error) {
	const most = 100 * 365
	if text == "never" {
		return time.Time{}, nil
	}
	var end time.Time
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n > most {
			return end, expiryError(text)
		}
		end = now.AddDate(0, 0, n)
	} else if d, err := time.ParseDuration(text); err == nil {
		end = now.Add(d)
	} else if end, err = time.Parse(time.RFC3339, text); err != nil {
		if end, err = time.Parse(time.DateOnly, text); err != nil {
			return end, expiryError(text)
		}
	}
	if !end.After(now) {
		return end, usageError("--expires %s: that is over already", text)
	}
	return end, nil
}

func expiryError(text string) error {
	return usageError("--expires %q: write it as in 90d, 12h, 2027-01-31, 2027-01-31T12:00:00Z, or never", text)
}

func scopesText(scopes []tenant.Scope) string { return listText(scopes) }

func newKeyListCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [TENANT]",
		Short: "List the keys of a tenant, or of all of them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var of string
			if len(args) == 1 {
				if of = args[0]; of == "" {
					return usageError("the tenant's id is empty; leave it out for the keys of all of them")
				}
			}
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				keys, err := s.Keys(ctx, of)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), append([]tenant.Key{}, keys...))
				}
				if len(keys) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "there is no key: glovebox key create makes one")
					return outputError(err)
				}
				rows := [][]string{{"KEY", "TENANT", "STATE", "SCOPES", "CREATED", "EXPIRES", "NAME"}}
				for _, k := range keys {
					rows = append(rows, []string{k.ID, k.Tenant, keyState(k, time.Now()), scopesText(k.Scopes),
						timeText(k.CreatedAt, "unknown"), timeText(k.ExpiresAt, "never"), k.Name})
				}
				return printTable(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of what is kept of the keys as JSON")
	data.register(cmd.Flags())
	return cmd
}

// keyActive is the state of a key that opens something, unless its tenant is suspended.
const keyActive = "active"

func keyState(k tenant.Key, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return keyActive
}

func newKeyRevokeCommand() *cobra.Command {
	var data dataFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "Have a key open nothing any more",
		Long: `Revokes a key for ever, by its id (glovebox key list) or by the key itself, which is easier when all one has found is the key. A server
that is running heeds it with the next request; what runs already goes on, as the tenant's: to end that too, cancel it with another key, or suspend
the tenant (glovebox tenant set --suspended).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			if strings.HasPrefix(id, tenant.KeyPrefix) {
				presented, err := tenant.ParseKey(id)
				if err != nil {
					return usageError("%v", err) // which holds nothing of it
				}
				id = presented.ID
			}
			return data.withStore(cmd, false, func(ctx context.Context, s store.Store) error {
				key, err := s.RevokeKey(ctx, id, time.Now())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), key)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "key %s of %s is revoked since %s\n", key.ID, key.Tenant, timeText(key.RevokedAt, "never"))
				return outputError(err)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what is kept of the key as JSON")
	data.register(cmd.Flags())
	return cmd
}
