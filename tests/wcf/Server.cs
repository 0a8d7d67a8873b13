// What the server knows of its users, and what it tells whom.

using System;
using System.Collections.Generic;
using System.Linq;
using System.ServiceModel;
using C4B.Atlas.Integration;

/// One presence of a user; the last in the list is the one that shows.
class Layer
{
    public string Origin;
    public string State;
    public string Text;
}

class User
{
    public string Email;
    public TelephoneState Telephone = TelephoneState.Free;
    public List<Layer> Layers = new List<Layer>();

    public Layer Shown { get { return Layers[Layers.Count - 1]; } }

    public PresenceMapEntry Entry()
    {
        return new PresenceMapEntry
        {
            Origin = Shown.Origin,
            PresenceStateGuid = Shown.State,
            PresenceStateTeamStatusText = Shown.Text,
            TelephoneState = Telephone,
            UserEmail = Email
        };
    }
}

[ServiceBehavior(InstanceContextMode = InstanceContextMode.Single, ConcurrencyMode = ConcurrencyMode.Multiple)]
class Server : IIntegrationClientContract_v2
{
    public int Version = 6;
    public int Calls, KeepAlives;
    public string Language = "";
    readonly object held = new object();
    readonly List<User> users = new List<User>();
    readonly List<IIntegrationClientCallback> infoListeners = new List<IIntegrationClientCallback>();
    readonly List<IIntegrationClientCallback> presenceListeners = new List<IIntegrationClientCallback>();
    readonly List<IContextChannel> channels = new List<IContextChannel>();

    public int GetServerContractVersion()
    {
        lock (held) channels.Add(OperationContext.Current.Channel);
        return Version;
    }

    public List<PresenceMapEntry> GetEmailPresenceMap()
    {
        Called();
        lock (held) return users.Select(user => user.Entry()).ToList();
    }

    public bool TryGetUserPresence(string EmailAddress, out PresenceMapEntry PresenceData)
    {
        Called();
        lock (held)
        {
            var user = Distinct(EmailAddress);
            PresenceData = user == null ? null : user.Entry();
            return user != null;
        }
    }

    public void SetUserPresence(PresenceMapEntry PresenceData, string language)
    {
        Called();
        lock (held)
        {
            Language = language;
            var user = Distinct(PresenceData.UserEmail);
            if (user == null) throw new FaultException("No distinct user for " + PresenceData.UserEmail);
            if (PresenceData.PresenceStateTeamStatusText == "fail") throw new InvalidOperationException("a defect of the server");
            var origin = PresenceData.Origin;
            Change(user, origin, () =>
            {
                user.Layers.RemoveAll(layer => layer.Origin == origin);
                user.Layers.Add(new Layer { Origin = origin, State = PresenceData.PresenceStateGuid, Text = PresenceData.PresenceStateTeamStatusText });
            });
        }
    }

    public void RemovePresenceSetByOrigin(string EmailAddress, string Origin)
    {
        Called();
        lock (held)
        {
            var user = Distinct(EmailAddress);
            if (user == null) throw new FaultException("No distinct user for " + EmailAddress);
            Change(user, Origin, () => user.Layers.RemoveAll(layer => layer.Origin == Origin && layer.Origin != null));
        }
    }

    public void SubscribeUserInfoChangedEvent()
    {
        if (Version < 6) throw new FaultException("needs version 6");
        lock (held) infoListeners.Add(OperationContext.Current.GetCallbackChannel<IIntegrationClientCallback>());
    }

    public void UnSubscribeUserInfoChangedEvent()
    {
        lock (held) infoListeners.Remove(OperationContext.Current.GetCallbackChannel<IIntegrationClientCallback>());
    }

    public void SubscribeUserPresenceChangedEvent()
    {
        lock (held) presenceListeners.Add(OperationContext.Current.GetCallbackChannel<IIntegrationClientCallback>());
    }

    public void UnSubscribeUserPresenceChangedEvent()
    {
        lock (held) presenceListeners.Remove(OperationContext.Current.GetCallbackChannel<IIntegrationClientCallback>());
    }

    public void KeepAlive()
    {
        lock (held) KeepAlives++;
    }

    // What tests and the demo do to it.

    public void Add(string email, string state, string text)
    {
        var user = new User { Email = email };
        user.Layers.Add(new Layer { State = state, Text = text });
        lock (held) users.Add(user);
    }

    public void Pick(string email, string state, string text)
    {
        lock (held)
        {
            var user = Distinct(email);
            Change(user, null, () =>
            {
                user.Layers.RemoveAll(layer => layer.Origin == null);
                user.Layers.Add(new Layer { State = state, Text = text });
            });
        }
    }

    /// The user shows what the user would show without any choice, below whatever others have set.
    public void Reset(string email, string state, string text)
    {
        lock (held)
        {
            var user = Distinct(email);
            Change(user, null, () =>
            {
                user.Layers.RemoveAll(layer => layer.Origin == null);
                user.Layers.Insert(0, new Layer { State = state, Text = text });
            });
        }
    }

    /// Another program sets a presence.
    public void Set(string email, string origin, string state, string text)
    {
        lock (held)
        {
            var user = Distinct(email);
            Change(user, origin, () => user.Layers.Add(new Layer { Origin = origin, State = state, Text = text }));
        }
    }

    /// Somebody else calls everything of an origin off.
    public void Remove(string email, string origin)
    {
        lock (held)
        {
            var user = Distinct(email);
            Change(user, origin, () => user.Layers.RemoveAll(layer => layer.Origin == origin));
        }
    }

    public void Telephone(string email, string state)
    {
        lock (held)
        {
            var user = Distinct(email);
            var before = user.Telephone;
            user.Telephone = (TelephoneState)Enum.Parse(typeof(TelephoneState), state.Replace(' ', ','));
            Tell(email, null, new List<Tuple<UserInfo, object, object>> { Tuple.Create(UserInfo.TelephoneState, (object)user.Telephone, (object)before) });
        }
    }

    public string Show(string email)
    {
        lock (held)
        {
            var user = Distinct(email);
            var layers = user.Layers.Select(layer => (layer.Origin ?? "-") + "|" + layer.State + "|" + layer.Text);
            return user.Telephone + "\t" + string.Join("\t", layers);
        }
    }

    public void Cut()
    {
        lock (held)
        {
            foreach (var channel in channels) try { channel.Abort(); } catch (Exception) { }
            channels.Clear();
            infoListeners.Clear();
            presenceListeners.Clear();
        }
    }

    public int Listeners { get { lock (held) return infoListeners.Count + presenceListeners.Count; } }

    void Called()
    {
        lock (held) Calls++;
    }

    User Distinct(string email)
    {
        var found = users.Where(user => string.Equals(user.Email, email, StringComparison.OrdinalIgnoreCase)).ToList();
        return found.Count == 1 ? found[0] : null;
    }

    void Change(User user, string origin, Action change)
    {
        var before = user.Shown;
        string state = before.State, text = before.Text;
        change();
        var told = new List<Tuple<UserInfo, object, object>>();
        if (state != user.Shown.State) told.Add(Tuple.Create(UserInfo.PresenceState, (object)user.Shown.State, (object)state));
        if (text != user.Shown.Text) told.Add(Tuple.Create(UserInfo.PresenceText, (object)user.Shown.Text, (object)text));
        Tell(user.Email, origin, told);
    }

    void Tell(string email, string origin, List<Tuple<UserInfo, object, object>> told)
    {
        if (told.Count == 0) return;
        var infos = told.Select(one => new UserInfoChangedEventArgs { ChangedInfo = one.Item1, ContentNew = one.Item2, ContentOld = one.Item3, Origin = origin, UserEmail = email }).ToList();
        foreach (var listener in infoListeners.ToList()) try { listener.UserInfoChanged(infos); } catch (Exception) { infoListeners.Remove(listener); }
        var presences = told.Select(one => new PresenceChangedEventArgs { Type = (PresenceChange)(int)one.Item1, ContentNew = one.Item2, ContentOld = one.Item3, Origin = origin, UserEmail = email }).ToList();
        foreach (var listener in presenceListeners.ToList()) try { listener.PresenceChanged(presences); } catch (Exception) { presenceListeners.Remove(listener); }
    }
}
